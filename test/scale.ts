// How much of a soak runs: all of it under `npm run test:soak`, a hundredth under `npm test`.
export const soaking = process.env['GATEWRIGHT_SOAK'] === '1';
export const scaled = (full: number): number => soaking ? full : Math.ceil(full / 100);
