// `cors` of a SecurityPolicy → what Envoy's cors filter goes by.
import { parseDuration } from '../policy/duration.ts';
import type { IrCors, IrOrigin } from './ir.ts';
import type { Cors } from './kinds/cors.ts';
import type { Fault } from './problem-at.ts';

export function corsPolicy(cors: Cors, say: (fault: Fault) => void): IrCors {
  warn(cors, (path, message, hint) => say({ path: `spec.cors.${path}`, severity: 'warning', message, hint }));
  return {
    origins: cors.allowOrigins.map(origin),
    methods: orAll(cors.allowMethods), headers: orAll(cors.allowHeaders), exposed: cors.exposeHeaders,
    ...(cors.maxAge === undefined ? {} : { maxAgeSeconds: Math.floor((parseDuration(cors.maxAge) ?? 0) / 1000) }),
    credentials: cors.allowCredentials,
  };
}

/** Envoy knows * alone, not among others (EG does the same). */
function orAll(names: readonly string[]): readonly string[] { return names.includes('*') ? ['*'] : names; }

/** Names with dots between them, and nothing that begins or ends a host: EG's `.*` takes https://evil.example?.example.com for one of *.example.com. */
const NAMES = '[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*';
const HOST = `(${NAMES}|\\[[0-9A-Fa-f:.]+\\])`;

/** Envoy matches an origin as a whole. As in EG * stands for any number of labels; alone, for any port too where none is given. */
function origin(value: string): IrOrigin {
  const [, scheme = '', wildcard, rest = ''] = /^([^:]+):\/\/(\*\.?)(.*)$/.exec(value) ?? [];
  if (wildcard === undefined) return { kind: 'exact', value };   // * among them: Envoy reads it as any origin, null included
  const start = `${escaped(scheme)}://`;
  if (wildcard === '*.') return { kind: 'regex', value: `${start}${NAMES}\\.${escaped(rest)}` };
  return { kind: 'regex', value: `${start}${HOST}${rest === '' ? '(:[0-9]{1,5})?' : rest}` };
}

function escaped(text: string): string { return text.replace(/[.+]/g, '\\$&'); }

function warn({ allowOrigins, allowCredentials, exposeHeaders }: Cors, say: (path: string, message: string, hint: string) => void): void {
  if (allowCredentials && allowOrigins.some((each) => each === '*' || /^https?:\/\/\*(:\d+)?$/.test(each))) {
    say('allowCredentials', 'with any origin allowed, every web page may call in the name of whoever visits it, and read the answers', 'give the origins that are meant');
  }
  if (allowCredentials && exposeHeaders.includes('*')) say('exposeHeaders', 'with allowCredentials browsers take * for a header of that name', 'give the names of the headers');
  for (const [i, each] of allowOrigins.entries()) {
    if (!/^https?:/i.test(each)) continue;
    const written = URL.canParse(each) ? new URL(each).origin : undefined;
    if (written !== each) say(`allowOrigins[${i}]`, 'is the origin of no page', written === undefined ? 'its port or address is none' : `browsers write ${written}`);
  }
}
