export { type Dialect, dialects } from './dialects.ts'
export type { Happening } from './journeys.ts'
export { openSandboxCarrier } from './server.ts'
