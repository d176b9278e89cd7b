// The file of the key ring: who can read it, how it is made, and how it changes.
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../../cli/environment-error.ts';
import { SessionKeys, stateFolder } from '../../../cli/session-keys.ts';
import type { KeyRingData } from '../../../extproc/oidc/keyring.ts';
import { DAY, HandWorld } from './hand-world.ts';

const HOUR = 3_600_000;
let folder: string;
let path: string;
let world: HandWorld;
let logged: unknown[];
let opened: SessionKeys[];
const open = async (state = folder): Promise<SessionKeys> => {
  const log = { info: (...words: unknown[]) => { logged.push(words); }, warn: (...words: unknown[]) => { logged.push(words); } } as unknown as Parameters<typeof SessionKeys.open>[0]['log'];
  const keys = await SessionKeys.open({ env: { XDG_STATE_HOME: state }, world, log });
  opened.push(keys);
  return keys;
};
const mode = (of: string): string => (statSync(of).mode & 0o777).toString(8);
const kids = ({ keys }: KeyRingData): string[] => keys.map(({ kid }) => kid);
/** Reading and writing a file takes more than letting promises settle. */
const changed = (keys: SessionKeys, before: KeyRingData): Promise<void> => expect.poll(() => keys.data).not.toBe(before);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-keys-'));
  path = join(folder, 'gatewright', 'session-keys.json');
  world = new HandWorld();
  logged = [];
  opened = [];
});
afterEach(() => {
  for (const keys of opened) keys.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the folder is', () => {
  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['where XDG says', { XDG_STATE_HOME: '/state', HOME: '/home/me' }, '/state/gatewright'],
    ['in the home folder', { HOME: '/home/me' }, '/home/me/.local/state/gatewright'],
    ['in the home folder if XDG says nothing', { XDG_STATE_HOME: '', HOME: '/home/me' }, '/home/me/.local/state/gatewright'],
    ['in the home folder if XDG says something relative', { XDG_STATE_HOME: 'state', HOME: '/home/me' }, '/home/me/.local/state/gatewright'],
  ])('%s', (_, env, expected) => { expect(stateFolder(env)).toBe(expected); });
});

describe('the file', () => {
  test('is made at first use, for its owner alone, whatever the umask', async () => {
    const before = process.umask(0);
    try { await open(join(folder, 'deep', 'er')); } finally { process.umask(before); }
    const made = join(folder, 'deep', 'er', 'gatewright');
    expect([mode(made), mode(join(made, 'session-keys.json'))]).toEqual(['700', '600']);
    expect(readdirSync(made)).toEqual(['session-keys.json']);
  });

  test('outlives the process', async () => {
    const first = await open();
    expect((await open()).data).toEqual(first.data);
  });

  test('is made once by twelve that start at once', { timeout: 120_000 }, async () => {
    const script = join(import.meta.dirname, 'session-keys-maker.ts');
    const all = await Promise.all(Array.from({ length: 12 }, () => promisify(execFile)(process.execPath, [script], { env: { ...process.env, XDG_STATE_HOME: folder } })));
    expect(new Set(all.map(({ stdout }) => stdout)).size).toBe(1);
    expect(all[0]?.stdout).toMatch(/^[\w-]{16},[\w-]{16}$/);
    expect(readdirSync(join(folder, 'gatewright'))).toEqual(['session-keys.json']);
  });

  test('is made once by many in one process, too', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => open()));
    expect(new Set(all.map(({ data }) => kids(data).join())).size).toBe(1);
  });
});

describe('is refused, with a way out:', () => {
  test.each<[string, () => void, RegExp, RegExp]>([
    ['a file that its group can read', () => chmodSync(path, 0o640), /others can read or change .*session-keys\.json/, /^chmod 600 .*session-keys\.json/],
    ['a file that all can read', () => chmodSync(path, 0o604), /others can read or change/, /^chmod 600/],
    ['a file that others can write', () => chmodSync(path, 0o602), /others can read or change/, /^chmod 600/],
    ['a folder that others can write in', () => chmodSync(join(folder, 'gatewright'), 0o777), /others can write in .*gatewright/, /^chmod go-w .*gatewright$/],
    ['a file that is empty', () => writeFileSync(path, ''), /does not hold the keys/, /^remove it/],
    ['a file that was cut off', () => writeFileSync(path, readFileSync(path, 'utf8').slice(0, 200)), /does not hold the keys/, /^remove it/],
    ['a file with something else', () => writeFileSync(path, '{"keys":[]}'), /does not hold the keys/, /^remove it/],
    ['a folder in its place', () => { rmSync(path); mkdirSync(path, { mode: 0o700 }); }, /cannot keep the keys of sessions in .*EISDIR/, /XDG_STATE_HOME/],
    ['a file in place of the folder', () => { rmSync(join(folder, 'gatewright'), { recursive: true }); writeFileSync(join(folder, 'gatewright'), ''); }, /cannot keep the keys of sessions in/, /XDG_STATE_HOME/],
  ])('%s', async (_, spoil, message, nextStep) => {
    const { data } = await open();
    spoil();
    const error = await open().catch((thrown: unknown) => thrown) as EnvironmentError;
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(error.message).toMatch(message);
    expect(error.nextStep).toMatch(nextStep);
    for (const { encryption, signing } of data.keys) expect(error.message + error.nextStep).not.toMatch(new RegExp(`${encryption}|${signing.d}`));
  });
});

describe('over time', () => {
  test('a key comes every month, and who is asked to be told is told', async () => {
    const keys = await open();
    const before = keys.data;
    const told: KeyRingData[] = [];
    keys.onChange((data) => { told.push(data); });
    await world.pass(30 * DAY);
    await changed(keys, before);
    expect(told).toEqual([keys.data]);
    expect(kids(keys.data).slice(1)).toEqual(kids(before));
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(keys.data);
    expect(mode(path)).toBe('600');
    expect(readdirSync(join(folder, 'gatewright'))).toEqual(['session-keys.json']);
  });

  test('a process that was off for long has a new key at once', async () => {
    const before = (await open()).data;
    opened[0]?.close();
    await world.pass(60 * DAY);
    expect(kids((await open()).data).slice(1)).toEqual(kids(before));
  });

  test('what another process did is learnt within the hour', async () => {
    const keys = await open();
    const before = keys.data;
    const elsewhere = new HandWorld();
    await elsewhere.pass(31 * DAY);
    const other = await SessionKeys.open({ env: { XDG_STATE_HOME: folder }, world: elsewhere, log: { info: () => undefined, warn: () => undefined } as never });
    opened.push(other);
    expect(keys.data).toBe(before);
    await world.pass(HOUR);
    await changed(keys, before);
    expect(keys.data).toEqual(other.data);
  });

  test('a file that was spoilt meanwhile is complained of; the keys in hand stay, and it goes on looking', async () => {
    const keys = await open();
    const before = keys.data;
    chmodSync(path, 0o644);
    await world.pass(HOUR);
    await expect.poll(() => JSON.stringify(logged)).toContain('others can read or change');
    expect(keys.data).toBe(before);
    rmSync(path);
    await expect.poll(() => world.timers).toBe(1);
    await world.pass(HOUR);
    await changed(keys, before);
    expect(existsSync(path)).toBe(true);
  });

  test('after close nothing happens any more', async () => {
    const keys = await open();
    keys.close();
    expect(world.timers).toBe(0);
  });

  test('no key is ever logged', async () => {
    const keys = await open();
    const before = keys.data;
    await world.pass(30 * DAY);
    await changed(keys, before);
    expect(JSON.stringify(logged)).toContain('has changed');
    for (const { encryption, signing } of keys.data.keys) expect(JSON.stringify(logged)).not.toMatch(new RegExp(`${encryption}|${signing.d}`));
  });
});
