import { readlinkSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { describeDatabaseServer } from '#platform/database-server.ts'
import { startEmbeddedPostgres } from '#platform/embedded-postgres.ts'
import { migrateJobs } from '#platform/jobs-engine.ts'
import { migrate } from '#platform/migrations.ts'
import { templateNames, testRoleSecret } from '#test/template.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Administrator's URL of the PostgreSQL of this run. */
    postgresUrl: string
  }
}

const prefix = 'throughline-test-'

/** Vitest's global set-up: one PostgreSQL for the whole run, in a folder of its own, with a migrated pair of templates. */
export default async function startPostgresForRun(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned()
  const dataDir = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`))
  const postgres = await startEmbeddedPostgres({
    dataDir,
    // Tests of crashes bring their own server; for all others a machine's crash ends the run anyway.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', shared_buffers: '128MB', autovacuum: 'off' },
  })
  const server = describeDatabaseServer({ adminUrl: postgres.adminUrl, databases: templateNames, roleSecret: testRoleSecret })
  await migrate(server, { engines: [migrateJobs] })
  project.provide('postgresUrl', postgres.adminUrl)
  return async () => {
    await postgres.stop()
    // Under root and below a closed folder it lies elsewhere (postgres-home.ts).
    await rm(postgres.dataDir, { recursive: true, force: true })
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** A run that was killed leaves its server behind; the next run ends it. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const runner = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1])
    if (!(runner > 0) || isAlive(runner)) continue
    const folder = join(tmpdir(), name)
    const server = Number((await readFile(join(folder, 'data/postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0])
    // SIGQUIT ends it at once, without a checkpoint: nobody wants these data.
    if (server > 0 && isAlive(server) && worksIn(server, join(folder, 'data'))) process.kill(server, 'SIGQUIT')
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** Its pid may be another program's by now; where there is no /proc to ask, it is left alone. */
function worksIn(pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
