// What a user writes and all that we make of it, side by side in test/golden/<sentence>/. GOLDEN=update rewrites the outputs; otherwise they are compared.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { ConcurrencyPolicy } from '../../policy/connection-limit.ts';
import { FaultPolicy } from '../../policy/fault.ts';
import { JwtPolicy } from '../../policy/jwt.ts';
import { OidcPolicy } from '../../policy/oidc.ts';
import { ResolverRoute } from '../../policy/resolver.ts';
import { SessionPolicy } from '../../policy/session.ts';
import { consistent } from '../../controller-glue/xds/consistent.ts';
import { NO_CODE } from '../../controller-glue/xds/extensions.ts';
import { buildSnapshot, snapshotJson } from '../../controller-glue/xds/snapshot.ts';

const root = join(import.meta.dirname, '../golden');
const update = process.env['GOLDEN'] === 'update';
const OPTIONS = { caFile: '/etc/ssl/certs/ca-certificates.crt', address: '127.0.0.1' };

/** File name → text. Secrets print as [redacted]. */
function outputs(text: string): Record<string, string> {
  const { resources, problems } = load([{ path: 'in.yaml', text }]);
  const translated = translate(resources);
  const yaml = (value: unknown) => stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0, aliasDuplicateObjects: false });
  const found = [...problems, ...translated.problems].map(({ line, path, severity, message, hint }) => `${line} ${severity} ${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
  return {
    'ir.yaml': yaml(translated.ir),
    'status.yaml': yaml({ problems: found, statuses: translated.statuses }),
    'xds.json': `${JSON.stringify(translated.ir.gateways.map((gateway) => snapshotJson(gateway, OPTIONS)), null, 1)}\n`,
  };
}

const sentences = readdirSync(root);

describe.each(sentences)('%s', (sentence) => {
  const folder = join(root, sentence);
  const input = join(folder, 'in.yaml');

  test('has an input, and an output for each stage', () => {
    if (update && existsSync(input)) for (const [name, text] of Object.entries(outputs(readFileSync(input, 'utf8')))) writeFileSync(join(folder, name), text);
    expect(readdirSync(folder).sort()).toEqual(['in.yaml', 'ir.yaml', 'status.yaml', 'xds.json']);
  });

  test('comes out as written down', () => {
    for (const [name, text] of Object.entries(outputs(readFileSync(input, 'utf8')))) expect(text, name).toBe(readFileSync(join(folder, name), 'utf8'));
  });

  test('is the same whatever the order of its documents', () => {
    const documents = readFileSync(input, 'utf8').split(/^---\n/m);
    const { ir } = translate(load([{ path: 'in.yaml', text: documents.join('---\n') }]).resources);
    const reversed = translate(load([{ path: 'in.yaml', text: documents.toReversed().map((text) => `${text.trimEnd()}\n`).join('---\n') }]).resources);
    // Objects that are given twice are closed, but which of the two is which follows the file.
    if (sentence !== 'an-object-given-twice-closes-its-routes') expect(JSON.stringify(reversed.ir)).toBe(JSON.stringify(ir));
  });

  test('writes policies that the shared model takes as they are', () => {
    const { ir } = translate(load([{ path: 'in.yaml', text: readFileSync(input, 'utf8') }]).resources);
    for (const { jwt, fault, faultAfter, concurrency, resolver, oidc } of ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)))) {
      if (jwt !== undefined) expect(JwtPolicy.parse(jwt.policy)).toEqual(jwt.policy);
      for (const { policy } of [fault, faultAfter].filter((each) => each !== undefined)) expect(FaultPolicy.parse(policy)).toEqual(policy);
      if (resolver !== undefined) expect(ResolverRoute.parse(resolver.policy)).toEqual(resolver.policy);
      if (oidc !== undefined) expect([OidcPolicy.parse(oidc.policy), SessionPolicy.parse(oidc.session)]).toEqual([oidc.policy, oidc.session]);
      if (concurrency !== undefined) expect(ConcurrencyPolicy.parse(concurrency.policy)).toEqual(concurrency.policy);
    }
  });

  test('makes snapshots that hold all they refer to, and prints no private key', () => {
    const text = readFileSync(input, 'utf8');
    for (const gateway of translate(load([{ path: 'in.yaml', text }]).resources).ir.gateways) {
      expect(consistent(gateway, buildSnapshot(gateway, { ...OPTIONS, wasm: NO_CODE }))).toEqual([]);
    }
    expect(Object.values(outputs(text)).join('')).not.toContain('PRIVATE KEY');
  });
});
