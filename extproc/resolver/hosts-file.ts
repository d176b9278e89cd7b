// The hosts file: names that are not asked for. Read again when it has changed.
import { type FileHandle, constants, open } from 'node:fs/promises';
import { parseAddress } from './address-class.ts';

/** The text of a file and what tells one version from the next; null: there is no such file, or it is not one to read. */
export type ReadFile = (path: string, known: string) => Promise<{ readonly version: string; readonly text: string | null } | null>;

export type Hosts = ReadonlyMap<string, readonly string[]>;

const CHECK_EVERY_MS = 1_000;
const MAX_BYTES = 1024 * 1024;
// Of one name: what is left is cut. Each request for it looks at all of them.
const MAX_ADDRESSES = 32;

/** Lines of `address name…`, with comments. What is no address, or has a zone, is passed over. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    const [address = '', ...names] = line.replace(/#.*/s, '').trim().split(/\s+/);
    if (parseAddress(address) === null) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '');
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [address]);
      else if (known.length < MAX_ADDRESSES && !known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** The real file. `text` is null where it has not changed. A device or a pipe is no file: it may never end. */
export const readHostsFile: ReadFile = async (path, known) => {
  try {
    // Not blocking: to open a pipe that nobody writes to would hold a thread for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile() || stat.size > MAX_BYTES) return null;
    const version = `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
    if (version === known) return { version, text: null };
    const text = await readAll(file);
    return text === null ? null : { version, text };
  } catch {
    return null;
  }
};

/** Files of /proc have no size and may be endless all the same: what is not over after MAX_BYTES is null. */
async function readAll(file: FileHandle): Promise<string | null> {
  const bytes = Buffer.allocUnsafe(MAX_BYTES + 1);
  for (let size = 0; size < bytes.length;) {
    const { bytesRead } = await file.read(bytes, size);
    if (bytesRead === 0) return bytes.toString('utf8', 0, size);
    size += bytesRead;
  }
  return null;
}

/** Looks at the file at most once a second, and only when somebody asks. */
export class HostsFile {
  readonly #path: string;
  readonly #read: ReadFile;
  readonly #monotonic: () => number;
  #hosts: Hosts = new Map();
  #version = '';
  #checked = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(path: string, monotonic: () => number, read: ReadFile = readHostsFile) {
    this.#path = path;
    this.#read = read;
    this.#monotonic = monotonic;
  }

  /** undefined: the file does not know the name. */
  async find(name: string): Promise<readonly string[] | undefined> {
    if (this.#path === '') return undefined;
    if (this.#monotonic() - this.#checked >= CHECK_EVERY_MS) await (this.#reading ??= this.#check());
    return this.#hosts.get(name);
  }

  async #check(): Promise<void> {
    const file = await this.#read(this.#path, this.#version);
    if (file === null) this.#hosts = new Map();
    else if (file.text !== null) this.#hosts = parseHosts(file.text);
    this.#version = file?.version ?? '';
    this.#checked = this.#monotonic();
    this.#reading = undefined;
  }
}
