// The key ring as `up` has it: opened when the first route has a login, and told to workers and Envoys whenever it changes.
import type { Unserved } from '../controller-glue/close-unserved.ts';
import { policies, policyKey } from '../controller-glue/extproc-policies.ts';
import type { Ir } from '../controller-glue/ir.ts';
import { type JwkSet, NO_KEYS } from '../controller-glue/xds/extensions.ts';
import { KeyRing, type KeyRingData } from '../extproc/oidc/keyring.ts';
import { EnvironmentError } from './environment-error.ts';
import { SessionKeys, type SessionKeysOptions } from './session-keys.ts';

export class LoginKeys {
  /** What Envoys check assertions by. */
  publicKeys: JwkSet = NO_KEYS;
  readonly #options: SessionKeysOptions;
  readonly #changed: (data: KeyRingData) => Promise<unknown>;
  #keys: SessionKeys | undefined;

  constructor(options: SessionKeysOptions, changed: (data: KeyRingData) => Promise<unknown>) {
    this.#options = options;
    this.#changed = changed;
  }

  /** Resolves when logins can begin, but for those that are returned: without keys there are no sessions. */
  async prepare(ir: Ir): Promise<Unserved> {
    const logins = policies(ir).filter(({ processor }) => processor === 'oidc');
    if (logins.length === 0 || this.#keys !== undefined) return new Map();
    try {
      const keys = await SessionKeys.open(this.#options);
      keys.onChange((data) => { this.#tell(data).catch((error: unknown) => this.#options.log.warn({ problem: (error as Error).message }, 'the new keys of sessions were not told to all')); });
      await this.#tell(keys.data);
      this.#keys = keys;
      return new Map();
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      return new Map(logins.map((policy) => [policyKey(policy), `${error.message}; ${error.nextStep}`]));
    }
  }

  close(): void { this.#keys?.close(); }

  async #tell(data: KeyRingData): Promise<void> {
    this.publicKeys = (await KeyRing.of(data)).publicKeys as JwkSet;
    await this.#changed(data);
  }
}
