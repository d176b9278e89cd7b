// Whatever is done to the policies of a login: people log in, or the route answers 500, or the file is refused as a whole. It is never open, and no secret shows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { type DocumentCache, loadFile } from '../../controller-glue/load/load-file.ts';
import { merge } from '../../controller-glue/load/merge.ts';
import { translate } from '../../controller-glue/translate.ts';
import { paths, replaced } from './mutations.ts';

const CANARY = 'never-to-be-seen';
const text = readFileSync(join(import.meta.dirname, '../golden/every-setting-of-a-login-has-its-place/in.yaml'), 'utf8');
const documents = parseAllDocuments(text).map((document) => document.toJS() as { kind: string });
const VALUES: readonly unknown[] = [undefined, null, 7, '', 'x', '*', [], {}, ['x'], { a: 1 }, '%REQ(:authority)%', 'https://a.test/b'];
/** For whom the policy is, and whether it speaks of a login at all: that is its author's to say. */
const CHOICES = /^(|spec\.oidc|metadata\.(name|namespace)|spec\.targetRefs\.0\.(name|sectionName|kind))$/;
const cache: DocumentCache = new Map();

function outcome(kind: string, path: readonly (string | number)[], value: unknown) {
  const source = documents.map((document) => stringify(document.kind === kind ? replaced(document, path, value) : document, { aliasDuplicateObjects: false })).join('---\n');
  const file = loadFile('a.yaml', source, cache);
  if (file.fatal) return { safe: true, printed: JSON.stringify(file.problems) };
  const { ir, problems, statuses } = translate(merge([file]).resources);
  const routes = ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.routes)));
  return { safe: routes.every(({ oidc, action }) => oidc !== undefined || action.kind === 'respond'), printed: JSON.stringify([file.problems, ir, problems, statuses]) };
}

describe.each(['SecurityPolicy', 'OIDCPolicy', 'Secret', 'ReferenceGrant', 'ConfigMap'])('%s', (kind) => {
  const where = paths(documents.find((document) => document.kind === kind) ?? {}).filter((path) => path[0] !== 'apiVersion' && path[0] !== 'kind' && !CHOICES.test(path.join('.')));
  test.each(VALUES.map((value) => [JSON.stringify(value) ?? 'nothing', value] as const))('%s in place of anything', (_, value) => {
    expect(where.length).toBeGreaterThan(0);
    for (const path of where) {
      const { safe, printed } = outcome(kind, path, value);
      expect(safe, path.join('.')).toBe(true);
      expect(printed, path.join('.')).not.toContain(CANARY);
    }
  });
});
