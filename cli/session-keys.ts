// The key ring of the login service, in a file of the user's state folder: sessions outlive the process, and several processes share them.
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Logger } from 'pino';
import { type KeyRingData, newKeyRing, readKeyRing, rotated } from '../extproc/oidc/keyring.ts';
import type { World } from '../extproc/world.ts';
import { EnvironmentError } from './environment-error.ts';

export interface SessionKeysOptions {
  /** XDG_STATE_HOME and HOME. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly world: World;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** A key is new for a month before it is used: an hour is soon enough to learn of it. */
const CHECK_EVERY_MS = 3_600_000;

/** Where we keep what must outlive us; not there yet, maybe. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  const given = env['XDG_STATE_HOME'];
  // "If an implementation encounters a relative path … it should consider the path invalid and ignore it" (XDG Base Directory Specification).
  return join(given !== undefined && isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.local', 'state'), 'gatewright');
}

export class SessionKeys {
  readonly #path: string;
  readonly #options: SessionKeysOptions;
  readonly #calls: ((data: KeyRingData) => void)[] = [];
  #data: KeyRingData;
  #callOff: () => void = () => undefined;
  #closed = false;

  private constructor(path: string, data: KeyRingData, options: SessionKeysOptions) {
    this.#path = path;
    this.#data = data;
    this.#options = options;
    this.#checkLater();
  }

  /** Makes the file where there is none. Throws EnvironmentError. */
  static async open(options: SessionKeysOptions): Promise<SessionKeys> {
    const folder = stateFolder(options.env);
    const path = join(folder, 'session-keys.json');
    return new SessionKeys(path, await current(folder, path, options.world), options);
  }

  get data(): KeyRingData { return this.#data; }

  onChange(call: (data: KeyRingData) => void): void { this.#calls.push(call); }

  close(): void {
    this.#closed = true;
    this.#callOff();
  }

  #checkLater(): void {
    this.#callOff = this.#options.world.after(CHECK_EVERY_MS, () => {
      void this.#check().finally(() => { if (!this.#closed) this.#checkLater(); });
    });
  }

  async #check(): Promise<void> {
    const { world, log, env } = this.#options;
    try {
      const data = await current(stateFolder(env), this.#path, world);
      if (this.#closed || same(data, this.#data)) return;
      this.#data = data;
      log.info({ keys: data.keys.length }, 'the key ring of sessions has changed');
      for (const call of this.#calls) call(data);
    } catch (error) {
      // What is in hand stays good.
      log.warn({ problem: error instanceof EnvironmentError ? `${error.message}; ${error.nextStep}` : (error as Error).name }, 'the key ring of sessions cannot be renewed');
    }
  }
}

/** The ring that holds now: read, made or rotated. */
async function current(folder: string, path: string, world: World): Promise<KeyRingData> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (((await stat(folder)).mode & 0o022) !== 0) throw new EnvironmentError(`others can write in ${folder}, where the keys of sessions are`, `chmod go-w ${folder}`);
    const found = await read(path);
    if (found === undefined) {
      // Of several that start at once, one is first; the others take its ring.
      await write(path, await newKeyRing(world), async (made) => link(made, path).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; }));
      const made = await read(path);
      if (made === undefined) throw new EnvironmentError(`${path} was removed as soon as it was made`, 'leave it there: it holds the keys of sessions');
      return made;
    }
    const next = await rotated(found, world);
    if (next === undefined) return found;
    // Two that rotate at once: the last one's new key stays. Nothing was made with the other's, for new keys are in reserve, and its maker takes this one at its next check.
    await write(path, next, (made) => rename(made, path));
    return next;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof EnvironmentError || code === undefined) throw error;
    throw new EnvironmentError(`cannot keep the keys of sessions in ${folder}: ${message}`, 'make that folder writable, or set $XDG_STATE_HOME to one that is', { cause: error });
  }
}

async function read(path: string): Promise<KeyRingData | undefined> {
  let file: FileHandle;
  try { file = await open(path, 'r'); } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, uid } = await file.stat();
    if ((mode & 0o077) !== 0) throw new EnvironmentError(`others can read or change ${path}, which holds the keys of sessions`, `chmod 600 ${path}; if somebody may have read it, remove it: everybody logs in anew`);
    if (process.getuid !== undefined && uid !== process.getuid()) throw new EnvironmentError(`${path} belongs to somebody else, who knows the keys of sessions then`, `remove it, or set $XDG_STATE_HOME to a folder of your own`);
    const ring = readKeyRing(await file.readFile('utf8'));
    if (ring === undefined) throw new EnvironmentError(`${path} does not hold the keys of sessions`, 'remove it: new ones are made, and everybody logs in anew');
    return ring;
  } finally { await file.close(); }
}

/** Whole or not at all: what a process that is killed leaves behind is a file beside it. */
async function write(path: string, data: KeyRingData, place: (made: string) => Promise<void>): Promise<void> {
  const made = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    const file = await open(made, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(data)}\n`);
      await file.sync();
    } finally { await file.close(); }
    await place(made);
  } finally { await rm(made, { force: true }); }
}

function same(a: KeyRingData, b: KeyRingData): boolean { return a.keys.map(({ kid }) => kid).join() === b.keys.map(({ kid }) => kid).join(); }
