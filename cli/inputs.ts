// The YAML that -f names, read once: files, folders, or standard input.
import { readFileSync } from 'node:fs';
import { load, type Loaded } from '../controller-glue/load.ts';
import { listFiles } from '../controller-glue/sources/files.ts';
import { InputError } from './input-error.ts';

/** `-` is standard input. Throws InputError when a path is not there or a folder holds nothing. */
export function readInputs(paths: readonly string[]): Loaded {
  const files = paths.flatMap((path) => {
    if (path === '-') return [{ path: '<stdin>', text: readFileSync(0, 'utf8') }];
    return existing([path]).map((file) => ({ path: file, text: readFileSync(file, 'utf8') }));
  });
  return load(files);
}

/** The files behind `paths`, as long as there are any. */
export function existing(paths: readonly string[]): string[] {
  try {
    const files = listFiles(paths);
    if (files.length === 0) throw new InputError(`gatewright: no .yaml, .yml or .json file in ${paths.join(', ')}`);
    return files;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw new InputError(`gatewright: ${error.message.replace(/, \w+ '.*/, '')}: ${paths.join(', ')}`);
    throw error;
  }
}
