// The key ring of the login service: a file in the user's state folder.
import type { Logger } from 'pino';
import type { KeyRingData } from '../extproc/oidc/keyring.ts';
import type { World } from '../extproc/world.ts';

export interface SessionKeysOptions {
  /** Reads XDG_STATE_HOME and HOME. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly world: World;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

export class SessionKeys {
  readonly data!: KeyRingData;
  static open(_options: SessionKeysOptions): Promise<SessionKeys> { throw new Error('unfinished'); }
  onChange(_call: (data: KeyRingData) => void): void {}
  close(): void {}
}
