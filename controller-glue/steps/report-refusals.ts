// Writes draft.problems: what listeners and parentRefs are refused for, so that `check` and the log say it with a line and not only the status.
import type { Draft, DraftGateway, DraftParent, DraftRoute } from '../draft.ts';
import { problemAt } from '../problem-at.ts';

export function reportRefusals(draft: Draft): void {
  for (const gateway of draft.gateways) ofListeners(gateway, draft);
  for (const route of draft.routes) for (const parent of route.parents) ofParent(route, parent, draft);
}

function ofListeners({ resource, listeners }: DraftGateway, { problems }: Draft): void {
  for (const [i, { conditions }] of listeners.entries()) {
    const path = `spec.listeners[${i}]`;
    // What load has found in the listener it has said.
    const said = resource.problems.some((problem) => problem.path.startsWith(`${path}.`));
    for (const { type, status, message } of conditions) {
      if (status === 'False' && !(said && type === 'Accepted')) problems.push(problemAt(resource, { path, message }));
    }
  }
}

/** Refusals by the Gateway; what is wrong within the route is reported where it is found. */
function ofParent({ resource }: DraftRoute, { ref, attachments, conditions }: DraftParent, { problems }: Draft): void {
  if (attachments.length > 0) return;
  const path = `spec.parentRefs[${resource.spec.parentRefs.indexOf(ref)}]`;
  for (const { type, status, message } of conditions) if (type === 'Accepted' && status === 'False') problems.push(problemAt(resource, { path, severity: 'warning', message }));
}
