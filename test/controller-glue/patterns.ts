// Patterns that RE2 takes, and patterns that it refuses. xds-in-envoy.test.ts gives both to the real one.
export const takenPatterns: readonly string[] = [
  '/a/.*', '(?i)/foo[0-9]{1,3}', '[[:alpha:]_-]+', '\\pL\\p{Greek}', '[^]]', '[]a]', 'a{,3}', 'a{', '/v[0-9]+/(?:a|b)?$', 'a|', '()', '(?-s:x)', '[\\d-z]', 'a{0}', 'x*?', 'x??', 'é+',
  '(?<n>x)', '(?P<n>x)', '\\-\\/', '^^$$', '(?i)', 'x{1000}', '\\x{F6}\\x41', '[a-z-]', '[--a]', '\\A\\z\\b\\B', '\\t\\n\\.\\*', '/[^/]+/items', '(a*)*', '(?s).*', '[[:^digit:]]', '\\PL', '(a{30}){30}',
];
export const refusedPatterns: readonly (readonly [string, RegExp])[] = [
  ['a++', /repeats a repeat/], ['a**', /repeats a repeat/], ['a{2}{3}', /repeats a repeat/], ['(?=x)', /looks around/], ['(?!x)', /looks around/], ['(?<=x)y', /looks around/], ['(?<!x)y', /looks around/],
  ['(a)\\1', /backreferences/], ['[z-a]', /range of characters/], ['x{1001}', /more than 1000/], ['x{3,2}', /ends before it begins/],
  ['(', /without a \)/], [')', /without a \(/], ['[', /without a \]/], ['[a', /without a \]/], ['(?i', /kind that RE2/], ['(?>x)', /kind that RE2/], ['(?#x)', /kind that RE2/], ['\\', /ends with/], ['*a', /nothing to repeat/], ['a|*', /nothing to repeat/],
  ['(*)', /nothing to repeat/], ['(?i)*', /repeats a repeat, or nothing/], ['\\x{1F600}', /beyond a byte/], ['[é]', /beyond ASCII/], ['(?P<n>x)(?P<n>y)', /two groups/], ['\\p{Foo}', /unknown class/], ['[[:foo:]]', /unknown class/], ['\\Z', /escape/], ['\\K', /escape/], ['\\h', /escape/], ['[\\b]', /escape/],
  ['((a{1000}){1000})', /repeats too much/], ['('.repeat(200) + ')'.repeat(200), /nested too deep/], ['x'.repeat(1025), /at most 1024/],
];
