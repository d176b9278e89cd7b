// One file → its objects and problems. Documents that did not change since the last time are not read again.
import type { Problem } from '../problem.ts';
import type { Entry, Resource } from '../resources.ts';
import { chunks } from './chunks.ts';
import { pathText } from './path-text.ts';
import { readObject } from './read-object.ts';
import type { ObjectProblem, Reading } from './read-object.ts';
import { yamlDocuments } from './yaml-documents.ts';

export interface LoadedFile {
  readonly path: string;
  readonly objects: readonly Entry[];
  readonly problems: readonly Problem[];
  /** At start: nothing may be served. On reload: the file's last good objects stay. A document does not parse, is of an unknown kind of a group of ours or EG's, or cannot be kept even to close what it covers. */
  readonly fatal: boolean;
}

/** A chunk as it was read, with lines counted from its own start. */
interface ChunkReading {
  readonly objects: readonly { readonly reading: Reading; readonly line: number; readonly lines: ReadonlyMap<string, number>; readonly problems: readonly Found[] }[];
  readonly problems: readonly Found[];
  readonly fatal: boolean;
}
type Found = Omit<Problem, 'file'>;

/** By file, then by the chunk's text. What a file no longer holds is forgotten at its next load; a file that is gone is `delete`d by the caller. */
export type DocumentCache = Map<string, ReadonlyMap<string, ChunkReading>>;

const MAX_FILE = 64 * 1024 * 1024;   // characters
const NO_LINES: ReadonlyMap<string, number> = new Map();

export function loadFile(path: string, text: string, cache: DocumentCache = new Map()): LoadedFile {
  if (text.length > MAX_FILE) {
    return { path, objects: [], fatal: true, problems: [{ file: path, line: 1, path: '', severity: 'error', message: `a file may have ${MAX_FILE / 1024 / 1024} MiB at most` }] };
  }
  const before = cache.get(path);
  const now = new Map<string, ChunkReading>();
  const objects: Entry[] = [];
  const problems: Problem[] = [];
  let fatal = false;
  for (const chunk of chunks(text)) {
    const reading = now.get(chunk.text) ?? before?.get(chunk.text) ?? readChunk(chunk.text);
    now.set(chunk.text, reading);
    fatal ||= reading.fatal;
    for (const problem of reading.problems) problems.push(placed(problem, path, chunk.line));
    for (const { reading: { list, ref, apiVersion, metadata, spec }, line, lines, problems: own } of reading.objects) {
      const resource: Resource<unknown> = {
        ref, apiVersion, metadata, spec, source: { file: path, line: chunk.line + line + 1, lines },
        problems: own.filter(({ severity }) => severity === 'error').map((problem) => placed(problem, path, chunk.line)),
      };
      objects.push({ list, resource } as Entry);
    }
  }
  cache.set(path, now);
  return { path, objects, problems, fatal };
}

function placed(problem: Found, file: string, before: number): Problem { return { ...problem, file, line: problem.line + before + 1 }; }

function readChunk(text: string): ChunkReading {
  const { documents, problems: syntax } = yamlDocuments(text);
  const objects: ChunkReading['objects'][number][] = [];
  const problems: Found[] = syntax.map(({ line, path, message }) => ({ line, path, message, severity: 'error' }));
  let fatal = syntax.length > 0;
  for (const document of documents) {
    const first = Math.min(...document.lines.values(), Infinity);
    const readings = readObject(document.value);
    const found = readings.problems.map((problem) => locate(problem, document.lines)).sort((a, b) => a.line - b.line);
    fatal ||= readings.fatal;
    problems.push(...found);
    for (const reading of readings.readings) {
      const prefix = pathText(reading.at);
      const line = document.lines.get(prefix) ?? (Number.isFinite(first) ? first : 0);
      objects.push({
        reading, line, lines: reading.list === 'secrets' ? NO_LINES : under(document.lines, prefix, line),
        problems: found.filter(({ object }) => object === reading.ref),
      });
    }
  }
  return { objects, problems, fatal };
}

/** The line of the field, else of the nearest field around it that stands in the text. */
function locate({ path, ...problem }: ObjectProblem, lines: ReadonlyMap<string, number>): Found {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(pathText(path.slice(0, length)));
    if (line !== undefined) return { ...problem, path: pathText(path), line };
  }
  return { ...problem, path: pathText(path), line: Math.min(...lines.values(), Infinity) === Infinity ? 0 : Math.min(...lines.values()) };
}

/** The lines of one object of a List, with paths from the object on. */
function under(lines: ReadonlyMap<string, number>, prefix: string, from: number): ReadonlyMap<string, number> {
  const own = new Map<string, number>();
  for (const [path, line] of lines) {
    if (!path.startsWith(prefix)) continue;
    const rest = path.slice(prefix.length);
    own.set(rest.startsWith('.') ? rest.slice(1) : rest, line - from);
  }
  return own;
}
