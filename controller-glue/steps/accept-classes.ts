// Writes draft.classes: the GatewayClasses that name us.
import { condition } from '../draft.ts';
import type { Draft } from '../draft.ts';

export function acceptClasses(draft: Draft): void {
  for (const resource of draft.resources.gatewayClasses) {
    if (resource.spec.controllerName !== draft.settings.controllerName) continue;
    const { problems } = resource;
    const accepted = problems.length === 0;
    const message = accepted ? 'Valid GatewayClass' : problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    draft.classes.push({ resource, accepted, conditions: [condition(resource, 'Accepted', accepted, accepted ? 'Accepted' : 'InvalidParameters', message)] });
  }
}
