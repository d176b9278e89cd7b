export function regexProblem(pattern: string): string | null { return pattern.length > 1024 ? 'too long' : null; }
