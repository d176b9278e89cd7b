// A problem found after loading, led back to its line.
import type { Problem } from './problem.ts';
import type { Resource } from './resources.ts';

export interface Fault { readonly path: string; readonly message: string; readonly severity?: 'error' | 'warning'; readonly hint?: string }

export function problemAt(resource: Resource<unknown>, { path, message, severity = 'error', hint }: Fault): Problem {
  const { file, line, lines } = resource.source;
  return { file, line: line + nearestLine(lines, path), path, severity, message, object: resource.ref, ...(hint === undefined ? {} : { hint }) };
}

/** The field's own line, else that of the nearest field around it. */
function nearestLine(lines: ReadonlyMap<string, number>, path: string): number {
  for (let at = path; at !== '';) {
    const line = lines.get(at);
    if (line !== undefined) return line;
    at = at.slice(0, Math.max(0, at.lastIndexOf('.'), at.lastIndexOf('[')));
  }
  return 0;
}
