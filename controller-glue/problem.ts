// What is wrong with what the user wrote, and where: a file, a line, the field's path.
import type { ObjectRef } from './ir.ts';

export interface Problem {
  readonly file: string;
  /** 1-based; 0 when the text is not known (objects from Kubernetes). */
  readonly line: number;
  /** The field as the user wrote it, such as `spec.jwt.providers[0].issuer`; empty for the document as a whole. */
  readonly path: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint?: string;
  readonly object?: ObjectRef;
}
