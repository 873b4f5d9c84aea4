import { readdirSync, readFileSync } from 'node:fs'

/** Processor seconds of the PostgreSQL backends of a data folder, by the role they serve; connections that have ended are not counted. */
export function postgresCpuSeconds(postmasterPid: number): Map<string, number> {
  const seconds = new Map<string, number>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      if (Number(fields[1]) !== postmasterPid) continue
      const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      const role = /^postgres: (\S+)/.exec(title)?.[1] ?? 'other'
      seconds.set(role, (seconds.get(role) ?? 0) + (Number(fields[11]) + Number(fields[12])) / 100)
    } catch {
      // The process ended while we looked.
    }
  }
  return seconds
}
