// Problems as people read them: file:line, the field, what is wrong, what to write instead.
import { relative } from 'node:path';
import type { Problem } from '../controller-glue/problem.ts';
import { objectName } from '../controller-glue/resources.ts';

/** One line a problem, in the order of the files, each once. */
export function problemLines(problems: readonly Problem[]): string[] {
  const sorted = [...problems].sort((a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line);
  return [...new Set(sorted.map(problemLine))];
}

function problemLine({ file, line, path, severity, message, hint, object }: Problem): string {
  const near = relative(process.cwd(), file);
  const place = near.startsWith('..') || !file.startsWith('/') ? file : near;
  const about = [object === undefined ? '' : objectName(object), path].filter((part) => part !== '').join(' ');
  return `${place}:${line}: ${severity}: ${about === '' ? '' : `${about}: `}${message}${hint === undefined ? '' : ` (${hint})`}`;
}
