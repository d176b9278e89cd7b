// A reference to a Secret → the value of one key of it.
import type { Secret } from '../policy/secret.ts';
import type { Lookup, Reference } from './lookup.ts';
import type { Fault } from './problem-at.ts';

interface Ref { readonly group?: string; readonly kind?: string; readonly name: string; readonly namespace?: string | undefined }

/** Undefined: `say` has said why. No message holds anything of the value. */
export function secretValue({ group = '', kind = 'Secret', name, namespace }: Ref, key: string, path: string, from: Reference, find: Lookup, say: (fault: Fault) => void): Secret | undefined {
  const where = namespace ?? from.namespace;
  const refuse = (message: string): undefined => { say({ path, message }); };
  if (group !== '' || kind !== 'Secret') return refuse('must refer to a Secret');
  if (!find.granted(from, { group, kind, namespace: where, name })) return refuse(`Secret ${where}/${name} not permitted by any ReferenceGrant`);
  const secret = find.secret(where, name);
  if (secret === undefined) return refuse(`Secret ${where}/${name} not found`);
  if (secret.problems.length > 0) return refuse(`Secret ${where}/${name} is not valid`);
  const value = secret.spec.data[key];
  return value === undefined || value.reveal() === '' ? refuse(`Secret ${where}/${name} must hold ${key}`) : value;
}
