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
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const found = lines.length === 0 ? 'no problems' : `${count(errors, 'error')}, ${count(lines.length - errors, 'warning')}`;
  return { text: `${[...lines, `${count(objects, 'object')}, ${found}`].join('\n')}\n`, errors };
}
