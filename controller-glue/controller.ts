// Keeps Envoy at what the resources say: translate, publish; what Envoy refuses is found, closed and shown on its object.
import { type Unserved, closeUnserved } from './close-unserved.ts';
import { findCulprits } from './culprits.ts';
import { differences, partly } from './differences.ts';
import type { Settings } from './draft.ts';
import type { Ir, ObjectRef } from './ir.ts';
import type { Problem } from './problem.ts';
import { type Resource, type Resources, noResources, objectKey } from './resources.ts';
import type { Sourced } from './sources/files.ts';
import type { ObjectStatus } from './status.ts';
import { type Translated, translate } from './translate.ts';

/** Brings every Gateway's Envoy to this state. Resolves with undefined when they have taken it; else with what kept them from it. */
export type Publish = (ir: Ir) => Promise<Unpublished | undefined>;

export type Unpublished =
  /** In Envoy's words. */
  | { readonly kind: 'refused'; readonly words: string }
  /** Nothing of it was sent: without these objects it would be small enough. */
  | { readonly kind: 'large'; readonly objects: readonly { readonly ref: ObjectRef; readonly message: string }[] }
  /** It is sent, and nobody knows what becomes of it. Publishing it again waits on. */
  | { readonly kind: 'unanswered' };

/** What Envoy would say to this state, without any Envoy in service being touched; undefined: it would take it. */
export type Validate = (ir: Ir) => Promise<string | undefined>;

export interface Applied {
  /** Counts the states that are in force. */
  readonly generation: number;
  readonly ir: Ir;
  readonly statuses: readonly ObjectStatus[];
  readonly problems: readonly Problem[];
}

export interface ControllerOptions {
  readonly settings: Partial<Settings>;
  /** Has the ext_proc service know whatever this state needs it for. What it cannot be told is closed, and `again` is called when it can. */
  readonly prepare: (ir: Ir) => Promise<Unserved>;
  readonly publish: Publish;
  readonly validate: Validate;
  /** Ports of this state that cannot be had, and why; those that its Envoys hold already can. */
  readonly portsTaken: (ir: Ir) => Promise<ReadonlyMap<number, string>>;
  readonly onApplied: (applied: Applied) => void;
}

export class Controller {
  readonly #options: ControllerOptions;
  #accepted: Resources = noResources;
  #generation = 0;
  #next: Sourced | undefined;
  /** What was wanted last. */
  #last: Sourced | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ControllerOptions) { this.#options = options; }

  /**
   * Makes this the wanted state. States that are overtaken before their turn are left out; one that fails does not keep the next from its turn.
   * Resolves when nothing is left to do; rejects with what the last state failed for.
   */
  apply(sourced: Sourced): Promise<void> {
    this.#next = this.#last = sourced;
    return this.#running ??= this.#run().finally(() => { this.#running = undefined; });
  }

  /** What was wanted last, once more: something that was closed need not be so any longer. */
  async again(): Promise<void> { if (this.#last !== undefined) await this.apply(this.#last); }

  async #run(): Promise<void> {
    let failure: unknown;
    while (this.#next !== undefined) {
      const sourced = this.#next;
      this.#next = undefined;
      failure = await this.#bring(sourced).then(() => undefined, (error: unknown) => error ?? new Error('failed'));
    }
    if (failure !== undefined) throw failure;
  }

  async #bring({ resources, problems }: Sourced): Promise<void> {
    const first = translate(resources, this.#options.settings);
    const unavailable = await this.#options.portsTaken(first.ir);
    const settings = { ...this.#options.settings, unavailable };
    const wanted = unavailable.size === 0 ? first : translate(resources, settings);
    const inForce = await this.#inForce(resources, wanted, settings);
    if (inForce === undefined) return;
    // What is marked as refused stays so in here: it is tried again with the next change, and nothing else is blamed for it.
    this.#accepted = inForce.resources;
    const { ir, statuses, problems: found } = inForce.translated;
    this.#options.onApplied({ generation: ++this.#generation, ir, statuses, problems: [...problems, ...found, ...inForce.refused] });
  }

  /** Publishes the state but for what the ext_proc service cannot be asked about. Waits on for an answer, until another state is wanted. */
  async #publish(resources: Resources, wanted: Translated): Promise<{ readonly translated: Translated; readonly outcome: Unpublished | undefined }> {
    const translated = closeUnserved(wanted, resources, await this.#options.prepare(wanted.ir));
    for (;;) {
      const outcome = await this.#options.publish(translated.ir);
      if (outcome?.kind !== 'unanswered' || this.#next !== undefined) return { translated, outcome };
    }
  }

  /** Publishes this state, or the part of it that can be; undefined: another one is wanted by now, and this one was not acknowledged. */
  async #inForce(resources: Resources, wanted: Translated, settings: Partial<Settings>): Promise<InForce | undefined> {
    const { translated, outcome } = await this.#publish(resources, wanted);
    switch (outcome?.kind) {
      case undefined: return { resources, translated, refused: refusals(resources) };
      case 'unanswered': return undefined;
      case 'refused': return this.#withoutCulprits(resources, settings, outcome.words);
      case 'large': {
        const closed = markLarge(resources, new Map(outcome.objects.map(({ ref, message }) => [objectKey(ref), message])));
        return this.#inForce(closed, translate(closed, settings), settings);
      }
    }
  }

  /**
   * Finds the objects that Envoy refuses among those that changed, and publishes the state in which they are closed. The tries are never
   * published: half of a change may leave a route without its policy.
   */
  async #withoutCulprits(resources: Resources, settings: Partial<Settings>, refusal: string): Promise<InForce | undefined> {
    const changes = differences(this.#accepted, resources);
    const culprits = await findCulprits(changes, (made) => this.#options.validate(translate(partly(this.#accepted, resources, made), settings).ir));
    // Where nothing that changed is to blame by itself, or closing it does not help, all of it is.
    const all = new Map(changes.map((key) => [key, refusal]));
    for (const blamed of culprits.size > 0 ? [culprits, all] : [all]) {
      const closed = mark(resources, new Map([...blamed].map(([key, words]) => [key, `Envoy refuses it: ${words}`])));
      const { translated, outcome } = await this.#publish(closed, translate(closed, settings));
      if (outcome === undefined) return { resources: closed, translated, refused: refusals(closed) };
      if (outcome.kind === 'unanswered') return undefined;
    }
    throw new Error(`Envoy refuses every form of this state and keeps what it has: ${refusal}`);
  }
}

interface InForce { readonly resources: Resources; readonly translated: Translated; readonly refused: readonly Problem[] }

function refusals(resources: Resources): Problem[] {
  return Object.values(resources).flat().flatMap((resource: Resource<unknown>) => resource.problems.filter(({ message }) => message === resource.refusal));
}

/** Those that were marked before and do not help are an error, or this would go on for ever. */
function markLarge(resources: Resources, culprits: ReadonlyMap<string, string>): Resources {
  const known = Object.values(resources).flat().filter(({ ref, large }: Resource<unknown>) => !large && culprits.has(objectKey(ref)));
  if (known.length === 0) throw new Error(`this state is larger than an Envoy takes, and stays so whatever is closed: ${[...culprits.values()].join('; ')}`);
  return mark(resources, culprits, { large: true });
}

/** The same resources, each culprit with a problem: translation closes what it covers and says why. */
function mark(resources: Resources, culprits: ReadonlyMap<string, string>, more: Pick<Resource<unknown>, 'large'> = {}): Resources {
  return Object.fromEntries(Object.entries(resources).map(([list, all]: [string, readonly Resource<unknown>[]]) => [list, all.map((resource) => {
    const refusal = culprits.get(objectKey(resource.ref));
    if (refusal === undefined || resource.refusal === refusal) return resource;
    const { file, line } = resource.source;
    const problem: Problem = { file, line, path: '', severity: 'error', message: refusal, object: resource.ref };
    return { ...resource, ...more, refusal, problems: [...resource.problems, problem] };
  })])) as unknown as Resources;
}
