// `gatewright translate`: the stages on the way from YAML to Envoy, printed. Pure; nothing is started.
import { stringify } from 'yaml';
import { snapshotJson } from '../controller-glue/xds/snapshot.ts';
import { translate } from '../controller-glue/translate.ts';
import { readInputs } from './inputs.ts';
import { InputError } from './input-error.ts';
import { problemLines } from './problems.ts';
import { systemCaFile } from './system-ca.ts';

export interface TranslateOptions {
  readonly file: readonly string[];
  readonly to: string;
  readonly output: string;
  readonly portOffset: number;
  readonly address: string;
}

/** The text to print. Throws InputError when a document cannot be read at all. */
export function translateCommand({ file, to, output, portOffset, address }: TranslateOptions, env: NodeJS.ProcessEnv = {}): string {
  const { resources, problems, fatal } = readInputs(file);
  if (fatal) throw new InputError(problemLines(problems).join('\n'));
  const { ir, statuses } = translate(resources, { portOffset, address });
  const stages: Readonly<Record<string, () => unknown>> = {
    ir: () => ir,
    status: () => statuses,
    xds: () => ir.gateways.map((gateway) => snapshotJson(gateway, { caFile: systemCaFile(env), address })).reduce(joined, EMPTY),
  };
  const stage = Object.hasOwn(stages, to) ? stages[to] : undefined;
  if (stage === undefined) throw new InputError(`gatewright: --to ${to}: ir, xds or status is needed`);
  if (output !== 'yaml' && output !== 'json') throw new InputError(`gatewright: -o ${output}: yaml or json is needed`);
  // Through JSON, so that secrets are redacted in YAML as well.
  const json = JSON.stringify(stage(), null, 2);
  return output === 'json' ? `${json}\n` : stringify(JSON.parse(json), { lineWidth: 0, aliasDuplicateObjects: false });
}

type Stages = ReturnType<typeof snapshotJson>;
const EMPTY: Stages = { listeners: [], routes: [], clusters: [], endpoints: [], secrets: [], extensions: [] };

/** All Gateways in one; what several share stands once. */
function joined(a: Stages, b: Stages): Stages {
  const once = <Item>(items: readonly Item[]): Item[] => [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
  return {
    listeners: once([...a.listeners, ...b.listeners]), routes: once([...a.routes, ...b.routes]), clusters: once([...a.clusters, ...b.clusters]),
    endpoints: once([...a.endpoints, ...b.endpoints]), secrets: once([...a.secrets, ...b.secrets]), extensions: once([...a.extensions, ...b.extensions]),
  };
}
