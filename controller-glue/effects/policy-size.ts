// How large a policy may be: every virtual host that has routes under it carries it, and Envoy gets all of them in one message.
import { canonicalJson } from '../../policy/canonical-json.ts';
import type { Fault } from '../problem-at.ts';

/** Room for one body as large as there may be, and for much else. */
const MAX_BYTES = 128 * 1024;

/** In a document it may look small: YAML has aliases, and escapes grow in JSON. */
export function limitSize(policy: object, path: string, say: (fault: Fault) => void): void {
  const bytes = Buffer.byteLength(canonicalJson(policy));
  if (bytes > MAX_BYTES) say({ path, message: `is ${Math.ceil(bytes / 1024)} KiB as JSON, and may have ${MAX_BYTES / 1024}: every host under the policy carries it`, hint: 'shorter bodies and lists, or several policies on several routes' });
}
