export { openLogFile, readLog } from './log-file.ts'
export { sandboxPartners } from './profiles.ts'
export { openSandboxPartner, type SandboxLogLine, type SandboxPartner } from './sandbox-partner.ts'
