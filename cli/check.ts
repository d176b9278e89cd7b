// `gatewright check`: every problem that can be known without an Envoy.
import { translate } from '../controller-glue/translate.ts';
import { readInputs } from './inputs.ts';
import { problemLines } from './problems.ts';

export function check(paths: readonly string[]): { readonly text: string; readonly errors: number } {
  const { resources, problems } = readInputs(paths);
  const all = [...problems, ...translate(resources).problems];
  const lines = problemLines(all);
  const errors = lines.filter((line) => line.includes(': error: ')).length;
  const objects = Object.values(resources).flat().length;
  const summary = lines.length === 0 ? `${objects} objects, no problems` : `${objects} objects, ${errors} errors, ${lines.length - errors} warnings`;
  return { text: `${[...lines, summary].join('\n')}\n`, errors };
}
