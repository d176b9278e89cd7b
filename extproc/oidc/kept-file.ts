// What is known of a provider, on disk: a restart while the provider is down loses nothing. It holds no secret, but what it says is believed, so nobody else may write it.
import { chmod, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type Metadata, readKeys, readMetadata } from './metadata.ts';
import { parseAnswer } from './json-answer.ts';
import type { JSONWebKeySet } from 'jose';

export interface Known { readonly metadata: Metadata; readonly metadataAt: number; readonly keys?: JSONWebKeySet | undefined; readonly keysAt?: number | undefined }

const LARGEST = 1 << 22;
const File = z.object({ metadata: z.unknown(), metadataAt: z.number().min(0), keys: z.unknown().optional(), keysAt: z.number().min(0).optional() });

/** Undefined: there is none. Throws where there is one that is not to be believed. */
export async function readKnown(path: string, issuer: string): Promise<Known | undefined> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return undefined; throw error; });
  if (file === undefined) return undefined;
  try {
    const { size, mode } = await file.stat();
    if (size > LARGEST) throw new Error('it is too large');
    if ((mode & 0o022) !== 0) throw new Error('others may write it');
    const { metadata, metadataAt, keys, keysAt } = File.parse(parseAnswer(await file.readFile('utf8')));
    return { metadata: readMetadata(metadata, issuer), metadataAt, ...(keys === undefined ? {} : { keys: readKeys(keys), keysAt: keysAt ?? 0 }) };
  } finally {
    await file.close();
  }
}

/** Whole or not at all; `unique`: several processes write it. */
export async function writeKnown(path: string, known: Known, unique: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${unique}`;
  try {
    await writeFile(draft, JSON.stringify(known), { mode: 0o600, flag: 'wx' });
    await chmod(draft, 0o600);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
