// What the steps of a login work with: one policy, and what the process has for all of them.
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { World } from '../world.ts';
import type { KeyRing } from './keyring.ts';
import type { Once } from './once.ts';
import type { Provider } from './provider.ts';
import type { Sessions } from './store.ts';

export interface OidcContext {
  readonly policy: OidcPolicy;
  readonly provider: Provider;
  readonly sessions: Sessions;
  readonly once: Once;
  readonly ring: () => KeyRing;
  readonly world: World;
  /** What happened, by a stable word, for metrics and the log; never what a request holds. */
  readonly tell: (event: string, detail?: { readonly reason?: string; readonly requestId?: string }) => void;
}
