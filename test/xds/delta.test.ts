// The delta protocol as a table: what Envoy says, and what it is sent. Versions are written name@version; "-name" is a removal.
import { describe, expect, test } from 'vitest';
import { type DeltaRequest, type DeltaResponse, DeltaStream, HOLD_MS } from '../../controller-glue/xds/delta.ts';
import { type Resource, type Snapshot, typeUrls } from '../../controller-glue/xds/snapshot.ts';

const types = { CDS: typeUrls.cluster, EDS: typeUrls.endpoint, SDS: typeUrls.secret, ECDS: typeUrls.extension, LDS: typeUrls.listener, RDS: typeUrls.route };
type Type = keyof typeof types;
/** "a@1 b@2(names c)": two resources, the second with "names c" as its body. */
type Written = Partial<Record<Type, string>>;

interface Step {
  readonly publish?: Written;
  readonly subscribe?: readonly [Type, ...string[]];
  readonly unsubscribe?: readonly [Type, ...string[]];
  /** The first request of a type on a new stream, with what Envoy holds: ["CDS", "a@1"]; it subscribes to those names unless the type is a wildcard's. */
  readonly reconnect?: readonly [Type, ...string[]];
  /** Acknowledges the oldest open response of the type. */
  readonly ack?: Type;
  readonly nack?: Type;
  /** Milliseconds that pass. */
  readonly wait?: number;
  readonly sends: readonly string[];
  readonly settled?: boolean;
}

const up: readonly Step[] = [
  { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@1' }, sends: [] },
  { subscribe: ['CDS'], sends: ['CDS c@1'] },
  { subscribe: ['EDS', 'c'], sends: ['EDS c@1'] },
  { ack: 'EDS', sends: [] },
  { ack: 'CDS', sends: [], settled: false },
  { subscribe: ['LDS'], sends: ['LDS l@1'] },
  { subscribe: ['RDS', 'r'], sends: ['RDS r@1'] },
  { ack: 'LDS', sends: [] },
  { ack: 'RDS', sends: [], settled: true },
];

const cases: readonly { readonly name: string; readonly steps: readonly Step[] }[] = [
  { name: 'a first start gets everything as it asks for it', steps: up },
  { name: '"*" is the wildcard too', steps: [{ publish: { LDS: 'a@1 b@1' }, sends: [] }, { subscribe: ['LDS', '*'], sends: ['LDS a@1 b@1'] }] },
  { name: 'where there is nothing Envoy is told so, once', steps: [
    { publish: {}, sends: [] },
    { subscribe: ['CDS'], sends: ['CDS'], settled: false },
    { ack: 'CDS', sends: [], settled: true },
    { publish: { CDS: 'c@1' }, sends: ['CDS c@1'] },
    { publish: {}, sends: [] },
    { ack: 'CDS', sends: ['CDS -c'] },
  ] },
  { name: 'a first request without names is no wildcard for routes', steps: [{ publish: { RDS: 'r@1' }, sends: [] }, { subscribe: ['RDS'], sends: [] }] },
  { name: 'only what changed is sent', steps: [...up, { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['RDS r@2'] }] },
  { name: 'the same again sends nothing', steps: [...up, { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@1' }, sends: [], settled: true }] },
  { name: 'a name that is asked for again is sent again', steps: [...up, { subscribe: ['RDS', 'r'], sends: ['RDS r@1'] }, { ack: 'RDS', sends: [], settled: true }] },
  { name: 'a name that is asked for while it is on its way is sent again', steps: [
    ...up,
    { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['RDS r@2'] },
    { subscribe: ['RDS', 'r'], sends: ['RDS r@2'] },
  ] },
  { name: 'a name that does not exist is answered with its removal, once, and with the resource when it comes', steps: [
    { publish: { RDS: 'r@1' }, sends: [] },
    { subscribe: ['RDS', 'r', 'x'], sends: ['RDS -x', 'RDS r@1'] },
    { ack: 'RDS', sends: [] },
    { ack: 'RDS', sends: [] },
    { publish: { RDS: 'r@1 x@1' }, sends: ['RDS x@1'] },
  ] },
  { name: 'what is unsubscribed is not sent any more, and is sent when subscribed again', steps: [
    ...up,
    { unsubscribe: ['RDS', 'r'], sends: [] },
    { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: [], settled: true },
    { subscribe: ['RDS', 'r'], sends: ['RDS r@2'] },
  ] },
  { name: 'a reconnecting Envoy is sent only what it does not hold', steps: [
    { publish: { CDS: 'a@1 b@2', LDS: 'l@1', RDS: 'r@1 s@2' }, sends: [] },
    { reconnect: ['CDS', 'a@1', 'b@1'], sends: ['CDS b@2'] },
    { ack: 'CDS', sends: [] },
    { reconnect: ['LDS', 'l@1'], sends: [] },
    { reconnect: ['RDS', 'r@1', 's@1'], sends: ['RDS s@2'] },
    { ack: 'RDS', sends: [], settled: true },
  ] },
  { name: 'a reconnecting Envoy is told what is gone', steps: [{ publish: { CDS: 'a@1' }, sends: [] }, { reconnect: ['CDS', 'a@1', 'b@1'], sends: ['CDS -b'] }] },
  { name: 'a changed cluster is followed by its endpoints, which Envoy does not ask for', steps: [
    ...up,
    { publish: { CDS: 'c@2(serves c)', EDS: 'c@1', LDS: 'l@1', RDS: 'r@1' }, sends: ['CDS c@2', 'EDS c@1'] },
    { ack: 'EDS', sends: [], settled: false },
    { ack: 'CDS', sends: [], settled: true },
  ] },
  { name: 'a changed listener is followed by the secrets and routes that it names', steps: [
    { publish: { SDS: 's@1 t@1', LDS: 'l@1', RDS: 'r@1' }, sends: [] },
    { subscribe: ['LDS'], sends: ['LDS l@1'] },
    { subscribe: ['SDS', 's', 't'], sends: ['SDS s@1 t@1'] },
    { subscribe: ['RDS', 'r'], sends: ['RDS r@1'] },
    { ack: 'LDS', sends: [] }, { ack: 'SDS', sends: [] }, { ack: 'RDS', sends: [], settled: true },
    { publish: { SDS: 's@1 t@1', LDS: 'l@2(names r, s)', RDS: 'r@1' }, sends: ['LDS l@2', 'RDS r@1', 'SDS s@1'] },
  ] },
  { name: 'a new route waits until its cluster is warm, a removed cluster until no route leads there', steps: [
    ...up,
    { publish: { CDS: 'd@1', EDS: 'd@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['CDS d@1'] },
    { subscribe: ['EDS', 'd'], sends: ['EDS d@1'] },
    { ack: 'EDS', sends: [] },
    { ack: 'CDS', sends: ['RDS r@2'] },
    { ack: 'RDS', sends: ['EDS -c', 'CDS -c'] },
    { ack: 'EDS', sends: [] },
    { ack: 'CDS', sends: [], settled: true },
  ] },
  { name: 'routes wait for a cluster that does not get warm, but not for ever', steps: [
    ...up,
    { publish: { CDS: 'c@1 d@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['CDS d@1'] },
    { wait: HOLD_MS - 1, sends: [] },
    { wait: 1, sends: ['RDS r@2'] },
  ] },
  { name: 'a later publish overtakes one that is held back', steps: [
    ...up,
    { publish: { CDS: 'c@1 d@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['CDS d@1'] },
    { publish: { CDS: 'c@1 e@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@3' }, sends: ['CDS e@1'] },
    { ack: 'CDS', sends: [] },
    { ack: 'CDS', sends: ['RDS r@3'] },
    { ack: 'RDS', sends: ['CDS -d'] },
    { ack: 'CDS', sends: [], settled: true },
  ] },
  { name: 'what Envoy refuses is not sent again until it changes', steps: [
    ...up,
    { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@2' }, sends: ['RDS r@2'] },
    { nack: 'RDS', sends: ['RDS r@2 is refused'] },
    { publish: { CDS: 'c@1', EDS: 'c@1', LDS: 'l@1', RDS: 'r@3' }, sends: ['RDS r@3'] },
    { ack: 'RDS', sends: [], settled: true },
  ] },
  { name: 'without a good version before, what is refused is not sent in a loop either', steps: [
    { publish: { RDS: 'r@1' }, sends: [] },
    { subscribe: ['RDS', 'r'], sends: ['RDS r@1'] },
    { nack: 'RDS', sends: ['RDS r@1 is refused'], settled: true },
  ] },
  { name: 'what Envoy refuses after a reconnection is not sent in a loop: that its own version is good is all we know', steps: [
    { publish: { RDS: 'r@5' }, sends: [] },
    { reconnect: ['RDS', 'r@old'], sends: ['RDS r@5'] },
    { nack: 'RDS', sends: ['RDS r@5 is refused'], settled: true },
    { subscribe: ['RDS', 'r'], sends: ['RDS r@5'] },
  ] },
  { name: 'of several refused together the culprit is found in halves, the others come into force', steps: [
    { publish: { RDS: 'r@1 s@1 t@1' }, sends: [] },
    { subscribe: ['RDS', 'r', 's', 't'], sends: ['RDS r@1 s@1 t@1'] },
    { nack: 'RDS', sends: ['RDS r@1', 'RDS s@1 t@1'] },
    { ack: 'RDS', sends: [], settled: false },
    { nack: 'RDS', sends: ['RDS s@1', 'RDS t@1'] },
    { nack: 'RDS', sends: ['RDS s@1 is refused'] },
    { ack: 'RDS', sends: [], settled: true },
  ] },
  { name: 'an unknown nonce and an unknown type are harmless', steps: [{ publish: { RDS: 'r@1' }, sends: [] }, { ack: 'RDS', sends: [] }] },
];

describe('delta', () => {
  test.each(cases)('$name', ({ steps }) => {
    const stream = new DeltaStream();
    const open: DeltaResponse[] = [];
    const accepted = new Map<string, Resource>();
    let wanted: Snapshot = new Map();
    let now = 0;
    for (const [index, step] of steps.entries()) {
      if (step.publish !== undefined) wanted = read(step.publish);
      now += step.wait ?? 0;
      const sends: string[] = [];
      for (const request of requests(step, open)) {
        const answer = stream.receive(request);
        if (answer?.kind === 'accepted') for (const [name, resource] of answer.resources) accepted.set(`${answer.typeUrl} ${name}`, resource);
        // As the server does, in wanted.ts: the last good version takes its place.
        if (answer?.kind === 'refused') {
          sends.push(`${short(answer.typeUrl)} ${answer.name}@${answer.version} is refused`);
          const good = accepted.get(`${answer.typeUrl} ${answer.name}`);
          if (good !== undefined) wanted = new Map([...wanted, [answer.typeUrl, new Map([...(wanted.get(answer.typeUrl) ?? []), [answer.name, good]])]]);
        }
      }
      const sent = stream.respond(wanted, now);
      open.push(...sent);
      expect([...sends, ...sent.map(write)], `step ${index}: ${JSON.stringify(step)}`).toEqual(step.sends);
      expect(stream.respond(wanted, now), `step ${index} is complete`).toEqual([]);
      if (step.settled !== undefined) expect(stream.settled(wanted), `step ${index} settled`).toBe(step.settled);
    }
  });

  test('it says when to come back for what is held back', () => {
    const stream = new DeltaStream();
    expect(stream.wakeAt(0)).toBeUndefined();
    stream.receive(request('CDS', {}));
    stream.respond(read({ CDS: 'c@1' }), 5);
    expect(stream.wakeAt(5)).toBe(5 + HOLD_MS);
    expect(stream.wakeAt(5 + HOLD_MS)).toBeUndefined();
  });

  test('one changed route table among 1,000, with 1,000 clusters, is all that is sent', () => {
    const many = (version: string): Snapshot => read({ CDS: list('c', '1'), EDS: list('c', '1'), RDS: `${list('r', '1')} changed@${version}` });
    const stream = new DeltaStream();
    const names = (prefix: string): string[] => Array.from({ length: 1000 }, (_, index) => `${prefix}${index}`);
    for (const each of [request('CDS', {}), request('EDS', { subscribe: names('c') }), request('RDS', { subscribe: [...names('r'), 'changed'] })]) stream.receive(each);
    const before = many('1');
    for (let now = 0; now <= HOLD_MS; now += HOLD_MS) for (const { typeUrl, nonce } of stream.respond(before, now)) stream.receive({ ...request('CDS', {}), typeUrl, nonce });
    for (const version of ['2', '3', '4']) expect(stream.respond(many(version), 10 * HOLD_MS).map(write)).toEqual([`RDS changed@${version}`]);
  });
});

function requests(step: Step, open: DeltaResponse[]): DeltaRequest[] {
  const { subscribe, unsubscribe, reconnect, ack, nack } = step;
  if (subscribe !== undefined) return [request(subscribe[0], { subscribe: subscribe.slice(1) })];
  if (unsubscribe !== undefined) return [request(unsubscribe[0], { unsubscribe: unsubscribe.slice(1) })];
  if (reconnect !== undefined) {
    const [type, ...held] = reconnect;
    const initialVersions = new Map(held.map((each) => each.split('@') as [string, string]));
    return [request(type, { initialVersions, subscribe: type === 'CDS' || type === 'LDS' ? [] : [...initialVersions.keys()] })];
  }
  const type = ack ?? nack;
  if (type === undefined) return [];
  const index = open.findIndex(({ typeUrl }) => typeUrl === types[type]);
  const [answered] = index < 0 ? [] : open.splice(index, 1);
  return [request(type, { nonce: answered?.nonce ?? 'unknown', refusal: nack === undefined ? undefined : 'it is bad' })];
}

function request(type: Type, rest: Partial<DeltaRequest>): DeltaRequest {
  return { typeUrl: types[type], subscribe: [], unsubscribe: [], initialVersions: new Map(), nonce: '', refusal: undefined, ...rest };
}

function read(written: Written): Snapshot {
  return new Map(Object.entries(written).map(([type, text]) => [types[type as Type], new Map([...text.matchAll(/(\w+)@(\w+)(?:\(([^)]*)\))?/g)].map(([, name, version, body]): [string, Resource] =>
    [name ?? '', { version: version ?? '', body: Buffer.from(body ?? '') }]))]));
}

const short = (typeUrl: string): string => Object.entries(types).find(([, url]) => url === typeUrl)?.[0] ?? typeUrl;
const write = ({ typeUrl, resources, removed }: DeltaResponse): string =>
  [short(typeUrl), ...resources.map(([name, { version }]) => `${name}@${version}`), ...removed.map((name) => `-${name}`)].join(' ');
const list = (prefix: string, version: string): string => Array.from({ length: 1000 }, (_, index) => `${prefix}${index}@${version}`).join(' ');
