// Hot reload fails closed: whatever happens to the files, and however slowly, nobody passes whom neither the old nor the new policy lets pass.
// Every case has a route, a policy and files of its own; all run at once against one `up`, under fire the whole time.
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { jwks, token } from '../cases/tokens.ts';
import { ask } from '../envoy/answer.ts';
import { Gatewright } from './gatewright.ts';
import { Hammer } from './hammer.ts';
import { base, gateway, gatewayClass, httpRoute, securityPolicy, service } from './manifests.ts';

const yaml = (...objects: readonly unknown[]): string => objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
const bearer = (sub: string): Record<string, string> => ({ authorization: `Bearer ${token({ ...goodClaims, sub })}` });
const people = { nobody: {}, mallory: bearer('mallory'), bob: bearer('bob'), alice: bearer('alice') } as const;
type Person = keyof typeof people;
const everybody = Object.keys(people) as Person[];

const provider = { name: 'example', issuer: ISSUER, localJWKS: { type: 'Inline', inline: JSON.stringify(jwks) } };
const only = (...values: string[]): object => ({ defaultAction: 'Deny', rules: [{ action: 'Allow', principal: { jwt: { provider: 'example', claims: [{ name: 'sub', values }] } } }] });
const policy = (id: string, more: object = {}): object => securityPolicy(id, { jwt: { providers: [provider] }, authorization: only('alice'), ...more });
const fromConfigMap = (id: string): object => securityPolicy(id, { jwt: { providers: [{ ...provider, localJWKS: { type: 'ValueRef', valueRef: { group: '', kind: 'ConfigMap', name: id } } }] }, authorization: only('alice') });
const configMap = (id: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: id }, data: { jwks: JSON.stringify(jwks) } });

let gatewright: Gatewright;

/** A case at work: its files, and what its people are answered. */
class Scene {
  readonly id: string;
  constructor(id: string) { this.id = id; }
  path(file: string): string { return join(gatewright.folder, `${this.id}.${file}`); }
  /** At once, as editors that write and rename do. */
  save(file: string, text: string): void {
    writeFileSync(`${this.path(file)}.tmp`, text);
    renameSync(`${this.path(file)}.tmp`, this.path(file));
  }
  async answers(host?: string): Promise<number[]> {
    return Promise.all(everybody.map(async (person) => (await ask(gatewright.address(), `/${this.id}`, { headers: people[person] }, host)).status));
  }
  /** Waits until nobody, mallory, bob and alice get these. */
  async become(...statuses: number[]): Promise<void> { await this.becomeAt(undefined, ...statuses); }
  async becomeAt(host: string | undefined, ...statuses: number[]): Promise<void> {
    let last: number[] = [];
    await gatewright.until(async () => JSON.stringify(last = await this.answers(host)) === JSON.stringify(statuses), 10_000).catch((error: Error) => {
      throw new Error(`${this.id}: ${JSON.stringify(last)} and never ${JSON.stringify(statuses)}\n${error.message}`);
    });
  }
  /** What `up` says of these files. It says so once every Envoy has the state, so a little after the first answers of it: poll. */
  async problems(): Promise<{ file: string; line: number; path: string; message: string; severity: string }[]> {
    return JSON.parse(await gatewright.page('problems')).filter(({ file }: { file: string }) => file.includes(`/${this.id}.`));
  }
  async accepted(): Promise<{ status: string; reason: string; message: string }> {
    const status = await gatewright.status('SecurityPolicy', this.id) as unknown as { ancestors: { conditions: { type: string; status: string; reason: string; message: string }[] }[] };
    return status.ancestors[0]?.conditions.find(({ type }) => type === 'Accepted') ?? { status: '', reason: '', message: '' };
  }
}

interface Case {
  readonly name: string;
  /** Who may never pass; default: nobody and mallory and bob. */
  readonly never?: readonly Person[];
  /** Files, when they are not a route in `route.yaml` and its policy in `policy.yaml`. */
  readonly files?: (id: string) => Readonly<Record<string, string>>;
  readonly run: (scene: Scene) => Promise<void>;
}

const PATIENT = { timeout: 10_000, interval: 20 };
const IN_FORCE = [401, 403, 403, 200] as const;
const CLOSED = [500, 500, 500, 500] as const;
const usual = (id: string): Record<string, string> => ({ 'route.yaml': yaml(httpRoute(id)), 'policy.yaml': yaml(policy(id)) });
/** The policy, with bob let in: how a case sees that a change has arrived. */
const withBob = (id: string): string => yaml(policy(id, { authorization: only('alice', 'bob') }));
const bobCanPass = [401, 403, 200, 200] as const;
/** Cut where what stands before parses by itself, and lets everybody with a token in. */
const weaker = (text: string): string => text.slice(0, text.indexOf('  authorization:'));

const cases: readonly Case[] = [
  { name: 'a policy that is truncated and slowly written again in place', never: ['nobody', 'mallory'], run: async (scene) => {
    const text = withBob(scene.id);
    const file = openSync(scene.path('policy.yaml'), 'w');
    await sleep(1_300);                                      // longer than a file has to be quiet; its writer still has it open
    for (let at = 0; at < weaker(text).length; at += 400) { writeSync(file, text.slice(at, Math.min(at + 400, weaker(text).length))); await sleep(5); }
    await sleep(1_300);
    expect(await scene.answers()).toEqual(IN_FORCE);
    writeSync(file, text.slice(weaker(text).length));
    closeSync(file);
    await scene.become(...bobCanPass);
  } },
  { name: 'a policy that is half there for a moment', never: ['nobody', 'mallory'], run: async (scene) => {
    writeFileSync(scene.path('policy.yaml'), weaker(withBob(scene.id)));
    await sleep(100);
    expect(await scene.answers()).toEqual(IN_FORCE);
    writeFileSync(scene.path('policy.yaml'), withBob(scene.id));
    await scene.become(...bobCanPass);
  } },
  { name: 'a policy that is broken off in the middle of a line', run: async (scene) => {
    writeFileSync(scene.path('policy.yaml'), yaml(policy(scene.id)).replace(/"alg":[^]*/, ''));
    await gatewright.until(async () => (await scene.problems()).length > 0);
    expect(await scene.answers()).toEqual(IN_FORCE);
    scene.save('policy.yaml', yaml(policy(scene.id)));
    await gatewright.until(async () => (await scene.problems()).length === 0);
    expect(await scene.answers()).toEqual(IN_FORCE);
  } },
  { name: 'a syntax error', run: async (scene) => {
    const lines = yaml(policy(scene.id, { authorization: only('alice', 'bob', 'mallory') })).split('\n');
    scene.save('policy.yaml', ['# one', '# two', ...lines.slice(0, 4), '  : [', ...lines.slice(4)].join('\n'));
    await gatewright.until(async () => (await scene.problems()).length > 0);
    expect(await scene.answers()).toEqual(IN_FORCE);
    expect((await scene.problems())[0]).toMatchObject({ file: scene.path('policy.yaml'), severity: 'error' });
    expect((await scene.problems())[0]?.line).toBeGreaterThanOrEqual(6);
  } },
  { name: 'a field that is not known', run: async (scene) => {
    scene.save('policy.yaml', yaml(policy(scene.id, { authorisation: only('mallory') })));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.problems()).map(({ path, message }) => `${path} ${message}`)).toEqual(['spec.authorisation unknown field']), PATIENT);
    expect(await scene.accepted()).toMatchObject({ status: 'False', reason: 'Invalid' });
    scene.save('policy.yaml', yaml(policy(scene.id)));
    await scene.become(...IN_FORCE);
  } },
  { name: 'a value of another type', run: async (scene) => {
    scene.save('policy.yaml', yaml(policy(scene.id)).replace('defaultAction: Deny', 'defaultAction: 17'));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.problems())[0]).toMatchObject({ path: 'spec.authorization.defaultAction', severity: 'error' }), PATIENT);
  } },
  { name: 'a provider that is not there', run: async (scene) => {
    scene.save('policy.yaml', yaml(policy(scene.id)).replace('provider: example', 'provider: nobody'));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.problems())[0]).toMatchObject({ path: 'spec.authorization.rules[0].principal.jwt.provider', message: 'there is no provider nobody in this policy' }), PATIENT);
  } },
  { name: 'a policy that moves to another file', run: async (scene) => {
    renameSync(scene.path('policy.yaml'), scene.path('moved.yaml'));
    await sleep(1_300);                                      // the old file is believed to be gone by now
    expect(await scene.answers()).toEqual(IN_FORCE);
    expect(await scene.problems()).toEqual([]);
  } },
  { name: 'a section that is not supported: csrf', run: async (scene) => {
    scene.save('policy.yaml', yaml(policy(scene.id, { csrf: { additionalOrigins: ['*'] } })));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.problems()).map(({ path, message }) => `${path} ${message}`)).toEqual(['spec.csrf not supported']), PATIENT);
    expect(await scene.accepted()).toEqual(expect.objectContaining({ status: 'False', reason: 'Invalid', message: expect.stringContaining('spec.csrf') }));
  } },
  { name: 'a section that is not supported, alone: basicAuth', run: async (scene) => {
    scene.save('policy.yaml', yaml(securityPolicy(scene.id, { basicAuth: { users: { name: 'users' } } })));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.accepted()).message).toContain('spec.basicAuth'), PATIENT);
  } },
  { name: 'a policy that is deleted and made again soon', run: async (scene) => {
    rmSync(scene.path('policy.yaml'));
    await sleep(100);
    writeFileSync(scene.path('policy.yaml'), yaml(policy(scene.id)));
    await sleep(1_300);                                      // the deletion would be believed by now
    expect(await scene.answers()).toEqual(IN_FORCE);
  } },
  { name: 'a policy that another takes the place of', never: ['nobody', 'mallory'], run: async (scene) => {
    scene.save('policy.yaml', withBob(scene.id));
    await scene.become(...bobCanPass);
  } },
  { name: 'two files that change their names', run: async (scene) => {
    renameSync(scene.path('policy.yaml'), scene.path('x'));
    renameSync(scene.path('route.yaml'), scene.path('policy.yaml'));
    await sleep(100);
    renameSync(scene.path('x'), scene.path('route.yaml'));
    await gatewright.until(async () => (await scene.problems()).length === 0 && JSON.stringify(await scene.answers()) === JSON.stringify(IN_FORCE));
    scene.save('route.yaml', withBob(scene.id).replaceAll('bob', 'eve'));
    await gatewright.until(async () => (await ask(gatewright.address(), `/${scene.id}`, { headers: bearer('eve') })).status === 200);
  } },
  { name: 'keys that are taken away and given back', files: (id) => ({ 'route.yaml': yaml(httpRoute(id), fromConfigMap(id)), 'keys.yaml': yaml(configMap(id)) }), run: async (scene) => {
    rmSync(scene.path('keys.yaml'));
    await scene.become(...CLOSED);
    await vi.waitFor(async () => expect((await scene.problems())[0]?.message).toBe(`ConfigMap default/${scene.id} not found`), PATIENT);
    scene.save('keys.yaml', yaml(configMap(scene.id)));
    await scene.become(...IN_FORCE);
  } },
  { name: 'authorization that is taken out', never: ['nobody'], run: async (scene) => {
    scene.save('policy.yaml', yaml(policy(scene.id, { authorization: undefined })));
    await scene.become(401, 200, 200, 200);
  } },
  { name: 'hostnames that are taken out', run: async (scene) => {
    const elsewhere = 'elsewhere.example.com';
    expect(await scene.answers(elsewhere)).toEqual([404, 404, 404, 404]);
    scene.save('route.yaml', yaml({ ...httpRoute(scene.id), spec: { ...(httpRoute(scene.id) as { spec: object }).spec, hostnames: undefined } }));
    await scene.becomeAt(elsewhere, ...IN_FORCE);
  } },
  { name: 'a policy that is taken away for good', never: [], run: async (scene) => {
    const start = Date.now();
    rmSync(scene.path('policy.yaml'));
    await scene.become(200, 200, 200, 200);
    expect(Date.now() - start).toBeGreaterThan(900);
  } },
  { name: 'a route that gets another name, with its policy', files: (id) => ({ 'all.yaml': yaml(httpRoute(id), policy(id)) }), run: async (scene) => {
    const renamed = { ...httpRoute(scene.id), metadata: { name: `${scene.id}-new` } };
    const follows = policy(scene.id) as { spec: { targetRefs: { name: string }[] } };
    scene.save('all.yaml', yaml(renamed, { ...follows, spec: { ...follows.spec, targetRefs: [{ ...follows.spec.targetRefs[0], name: `${scene.id}-new` }] } }));
    await gatewright.until(async () => (await gatewright.status('HTTPRoute', `${scene.id}-new`)) !== undefined);
    expect(await gatewright.status('HTTPRoute', scene.id)).toBeUndefined();
    await scene.become(...IN_FORCE);
  } },
  { name: 'a route that gets another name, without its policy', never: [], run: async (scene) => {
    scene.save('route.yaml', yaml({ ...httpRoute(scene.id), metadata: { name: `${scene.id}-new` } }));
    await gatewright.until(async () => (await scene.accepted()).reason === 'TargetNotFound');
    await vi.waitFor(async () => expect((await scene.problems()).map(({ file }) => file)).toEqual([scene.path('policy.yaml')]), PATIENT);
  } },
  { name: 'the same policy in a second file', run: async (scene) => {
    scene.save('second.yaml', yaml(policy(scene.id, { authorization: only('mallory') })));
    await scene.become(...CLOSED);
    const twice = async (): Promise<string[]> => (await scene.problems()).filter(({ message }) => message.includes('given twice')).map(({ file, line, message }) => `${file}:${line} ${message}`);
    const [first, second] = [`${scene.path('policy.yaml')}:1`, `${scene.path('second.yaml')}:1`];
    await vi.waitFor(async () => expect(await twice()).toEqual([`${first} SecurityPolicy default/${scene.id} is given twice: also at ${second}`, `${second} SecurityPolicy default/${scene.id} is given twice: also at ${first}`]), PATIENT);
    rmSync(scene.path('second.yaml'));
    await scene.become(...IN_FORCE);
  } },
  { name: 'the same route in a second file', run: async (scene) => {
    scene.save('second.yaml', yaml(httpRoute(scene.id)));
    await scene.become(...CLOSED);
    rmSync(scene.path('second.yaml'));
    await scene.become(...IN_FORCE);
  } },
];

const numbered = cases.map((each, i) => ({ id: `case${i}`, never: ['nobody', 'mallory', 'bob'] as readonly Person[], files: usual, ...each }));
let bystanders: Hammer<'open' | 'protected'>;

beforeAll(async () => {
  const files = numbered.flatMap(({ id, files }) => Object.entries(files(id)).map(([name, text]) => [`${id}.${name}`, text] as const));
  gatewright = await Gatewright.start({ 'base.yaml': base, 'open.yaml': yaml(httpRoute('open')), 'kept.yaml': yaml(httpRoute('kept'), policy('kept')), ...Object.fromEntries(files) });
  const address = gatewright.address();
  bystanders = new Hammer(() => address, { open: { path: '/open' }, protected: { path: '/kept', headers: people.alice } });
});
afterAll(async () => { await gatewright?.stop(); });

describe('files that change under fire', () => {
  test.concurrent.each(numbered)('$name', async ({ id, never, run }) => {
    const scene = new Scene(id);
    const address = gatewright.address();
    const hammer = new Hammer(() => address, Object.fromEntries(never.map((person) => [person, { path: `/${id}`, headers: people[person] }])));
    try {
      expect(await scene.answers()).toEqual(IN_FORCE);
      await run(scene);
      await gatewright.until(() => never.every((person) => hammer.count(person) > 20));
    } finally { await hammer.stop(); }
    for (const person of never) {
      expect(hammer.statuses(person).filter((status) => ![401, 403, 404, 500].includes(status))).toEqual([]);
    }
  });

  test('all the while the other routes were served as before', async () => {
    await bystanders.stop();
    expect(bystanders.count('open')).toBeGreaterThan(20);
    expect([bystanders.statuses('open'), bystanders.statuses('protected')]).toEqual([[200], [200]]);
  });
});

const ended = async (files: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<{ code: number | string; output: string; folder: string; serves: boolean }> => {
  const started = Gatewright.spawn(files, { args });
  const code = await started.ended();
  const serves = await ask(`127.0.0.1:${started.portOffset + 80}`, '/open').then(() => true, () => false);
  const { output, folder } = started;
  await started.stop();
  return { code, output, folder, serves };
};

describe('at start', () => {
  const open = yaml(httpRoute('open'));
  test.each([
    ['a document that does not parse', `${open}---\nkind: SecurityPolicy\n  spec: [\n`, /bad\.yaml:1[5-9]: error: /],
    ['a document that is broken off', yaml(policy('open')).replace(/"alg":[^]*/, ''), /bad\.yaml:\d+: error: /],
    ['a kind of Envoy Gateway that is not known', yaml({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'SecurityPolice', metadata: { name: 'open' } }), /bad\.yaml:2: error: .*SecurityPolic/],
    ['an object without a name', yaml({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'SecurityPolicy', metadata: {}, spec: {} }), /bad\.yaml:\d+: error: /],
  ])('%s ends it, and nothing is served', async (_, text, says) => {
    const { code, output, serves } = await ended({ 'base.yaml': base, 'bad.yaml': text });
    expect([code, serves]).toEqual([1, false]);
    expect(output).toMatch(says);
    expect(output).toContain('nothing is served until this is mended');
  });
  test('a port that something else holds ends it with 3, and says which', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const { code, output } = await ended({ 'all.yaml': yaml(gatewayClass, gateway([{ name: 'http', protocol: 'HTTP', port }]), service(), httpRoute('open')) });
    holder.close();
    expect(code).toBe(3);
    expect(output).toMatch(new RegExp(`127\\.0\\.0\\.1:${port} cannot be bound.*\\n  next: `));
  });
  test('a flag that is not known ends it with 2, and says which', async () => {
    const { code, output } = await ended({ 'base.yaml': base }, ['--nonsense']);
    expect(code).toBe(2);
    expect(output).toContain("unknown option '--nonsense'");
  });
});
