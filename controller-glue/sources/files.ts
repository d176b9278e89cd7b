// Resources from files and folders. Fails closed: what is half written, or no longer parses, changes nothing that is served.
import { type FSWatcher, watch } from 'chokidar';
import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type DocumentCache, type LoadedFile, loadFile } from '../load/load-file.ts';
import { merge } from '../load/merge.ts';
import type { Problem } from '../problem.ts';
import type { Resources } from '../resources.ts';
import { takesAway } from './takes-away.ts';
import { hasWriter } from './writers.ts';

export interface Sourced { readonly resources: Resources; readonly problems: readonly Problem[] }

/** After the last event of a file, before it is read: writers write more than once. */
const SETTLE_MS = 8;
/** How long a file must have been quiet before a change that takes something away (an object, a field) is believed. */
const QUIET_MS = 1_000;

/** Files that `paths` mean: themselves, and every .yaml, .yml and .json below a folder, hidden ones left out. Sorted, each once, links followed once. */
export function listFiles(paths: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(paths.flatMap((path) => statSync(path).isDirectory() ? below(resolve(path), seen) : [resolve(path)]))];
}

function below(folder: string, seen: Set<string>): string[] {
  const real = realpathSync(folder);
  if (seen.has(real)) return [];
  seen.add(real);
  return readdirSync(folder).filter((name) => !name.startsWith('.')).sort().flatMap((name) => {
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) return below(path, seen);
    // A link that leads nowhere is listed: it is for reading to say so. Pipes and sockets are nobody's manifests.
    return isManifest(name) && stats?.isFile() !== false ? [path] : [];
  });
}

function isManifest(name: string): boolean { return /\.(ya?ml|json)$/.test(name); }

/** The files at one moment; `fatal`: at start, nothing may be served from them. */
export function readFiles(paths: readonly string[], cache: DocumentCache = new Map()): Sourced & { readonly fatal: boolean; readonly files: ReadonlyMap<string, LoadedFile> } {
  const files = new Map(listFiles(paths).map((path) => [path, readOne(path, cache) ?? unreadable(path, 'it is gone')]));
  return { ...together(files), fatal: [...files.values()].some(({ fatal }) => fatal), files };
}

/** A file as it is now; undefined only when it is not there. Whatever else keeps it from being read is a problem of it. */
function readOne(path: string, cache: DocumentCache): LoadedFile | undefined {
  try {
    if (!statSync(path).isFile()) return unreadable(path, 'it is no regular file');
    return loadFile(path, readFileSync(path, 'utf8'), cache);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : unreadable(path, message);
  }
}

function unreadable(path: string, why: string): LoadedFile {
  return { path, objects: [], fatal: true, problems: [{ file: path, line: 1, path: '', severity: 'error', message: `cannot be read: ${why}` }] };
}

function together(files: ReadonlyMap<string, LoadedFile>): Sourced {
  const loaded = [...files.values()];
  const { resources, problems } = merge(loaded);
  return { resources, problems: [...loaded.flatMap((file) => file.problems), ...problems] };
}

/** When a file is looked at again that was just read, or that is not quiet yet. */
const AGAIN_MS = 50;

/** How often everything is looked at, whatever the watchers say. */
const RESCAN_MS = 2_000;

/** `since`: when the file was first seen as it is, or last said to have changed, by the monotonic clock. */
interface Pending { timer: NodeJS.Timeout; since: number }

/** Watches files and folders; `onChange` gets everything again whenever something of it changed. */
export class FileSource {
  readonly #paths: readonly string[];
  readonly #cache: DocumentCache = new Map();
  readonly #onChange: (sourced: Sourced) => void;
  readonly #files: Map<string, LoadedFile>;
  readonly #pending = new Map<string, Pending>();
  readonly #watchers: FSWatcher[] = [];
  readonly #stamps = new Map<string, string>();
  #scanner: NodeJS.Timeout | undefined;
  #closed = false;
  readonly initial: Sourced & { readonly fatal: boolean };

  constructor(paths: readonly string[], onChange: (sourced: Sourced) => void) {
    this.#paths = paths.map((path) => resolve(path));
    this.#onChange = onChange;
    const { files, ...initial } = readFiles(paths, this.#cache);
    this.#files = new Map(files);
    this.initial = initial;
  }

  /** Begins to watch; resolves when no later change can be missed. */
  async watch(): Promise<void> {
    if (this.#closed) return;                                        // a signal came while the first state was brought
    const folders = this.#paths.filter(isFolder);
    const files = this.#paths.filter((path) => !isFolder(path));
    const options = { ignoreInitial: true, atomic: false } as const;
    if (folders.length > 0) {
      this.#watchers.push(watch(folders, { ...options, ignored: (path, stats) => this.#hidden(path) || (stats?.isFile() === true && !isManifest(path)) }));
    }
    // A file named by itself is watched through its folder: it may be replaced, or go and come again.
    if (files.length > 0) {
      this.#watchers.push(watch(files.map((path) => dirname(path)), { ...options, depth: 0, ignored: (path, stats) => stats?.isFile() === true && !files.includes(path) }));
    }
    await Promise.all(this.#watchers.map((watcher) => new Promise<void>((done) => watcher.once('ready', done))));
    if (this.#closed) return;
    for (const watcher of this.#watchers) watcher.on('all', (_, path) => { if (isManifest(path) || files.includes(path)) this.#schedule(path, SETTLE_MS, true); });
    // What changed between the first reading and now.
    this.#rescan();
    this.#scanner = setInterval(() => this.#rescan(), RESCAN_MS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#scanner);
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
    await Promise.all(this.#watchers.map((watcher) => watcher.close()));
  }

  #hidden(path: string): boolean {
    const root = this.#paths.find((one) => path === one || path.startsWith(`${one}/`)) ?? '';
    return path.slice(root.length).includes('/.');
  }

  #schedule(path: string, delay: number, event: boolean): void {
    const pending = this.#pending.get(path);
    clearTimeout(pending?.timer);
    const since = event ? performance.now() : pending?.since ?? performance.now();
    this.#pending.set(path, { since, timer: setTimeout(() => this.#read(path), delay) });
  }

  #read(path: string): void {
    const stamp = stampOf(path);
    const since = stamp === this.#stamps.get(path) ? this.#pending.get(path)?.since ?? performance.now() : performance.now();
    this.#stamps.set(path, stamp);
    // Watchers drop events that come close together: look once more, a moment later.
    this.#pending.set(path, { since, timer: setTimeout(() => stampOf(path) === stamp ? this.#pending.delete(path) : this.#schedule(path, 0, true), AGAIN_MS) });
    const before = this.#files.get(path);
    const after = readOne(path, this.#cache);
    if (before === after || (before !== undefined && after !== undefined && unchanged(before, after))) return;
    // The stamp comes last: a writer who ended between the reading and the look for writers has changed it.
    if (before !== undefined && takesAway(before, after) && (performance.now() - since < QUIET_MS || hasWriter(path) || stampOf(path) !== stamp)) {
      this.#schedule(path, AGAIN_MS, false);
      return;
    }
    if (after === undefined) this.#forget(path);
    // A file that no longer loads keeps its last good objects and shows what is wrong; a new one has none yet.
    else if (after.fatal) this.#files.set(path, { ...after, objects: before?.objects ?? [] });
    else {
      // The same objects from a file that is gone: it was renamed, and they are not given twice.
      if (before === undefined) for (const [old, file] of this.#files) if (stampOf(old) === '' && !takesAway(file, after)) this.#forget(old);
      this.#files.set(path, after);
    }
    this.#onChange(together(this.#files));
  }

  #forget(path: string): void {
    this.#files.delete(path);
    this.#cache.delete(path);
    this.#stamps.delete(path);
  }

  /** Everything once more, by its stamps: what watchers cannot see is a folder that was replaced. */
  #rescan(): void {
    let listed: string[] = [];
    try { listed = listFiles(this.#paths); } catch { /* a folder is gone: its files are looked at one by one */ }
    for (const path of new Set([...listed, ...this.#files.keys()])) {
      if (!this.#pending.has(path) && stampOf(path) !== this.#stamps.get(path)) this.#schedule(path, 0, true);
    }
  }
}

/** Documents that did not change come from the cache: the same objects again. */
function unchanged(before: LoadedFile, after: LoadedFile): boolean {
  return JSON.stringify(before.problems) === JSON.stringify(after.problems) && before.objects.length === after.objects.length
    && before.objects.every(({ resource }, i) => resource.spec === after.objects[i]?.resource.spec && resource.source.line === after.objects[i]?.resource.source.line);
}

/** Changes whenever the file does. */
function stampOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch { return ''; }
}
function isFolder(path: string): boolean {
  try { return statSync(path).isDirectory(); } catch { return false; }
}
