import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SettableClock, systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openOlistBank, type OlistBank, olistGateways } from '../../src/cli/olist-bank.ts'
import { type Core, openCore } from '../../src/core.ts'

/** A core on test databases with a clock to set, as the import opens one. */
export interface OlistHouse {
  readonly t: TestDatabases
  /** Its gateways, which outlive each core as real ones outlive our processes. */
  readonly bank: OlistBank
  /** New gateways in their place, which know nothing of what the old ones did. */
  forget(): void
  /** Opens a core and lets go of it after the work, as a process of the command line would. */
  withCore<T>(work: (core: Core, clock: SettableClock) => Promise<T>): Promise<T>
  /** A hash of all rows of each table of the contexts, by table. */
  contents(): Promise<Record<string, string>>
  close(): Promise<void>
}

export async function openOlistHouse(): Promise<OlistHouse> {
  const t = await openTestDatabases()
  const dataDir = await mkdtemp(join(tmpdir(), 'throughline-olist-house-'))
  const openBank = () => openOlistBank(systemClock, 'a webhook secret that only tests use')
  let bank = openBank()
  const config = readConfig({
    DATA_DIR: dataDir,
    LIMIT_PER_SECOND: '1000000',
    LIMIT_BURST: '1000000',
    GATEWAYS: olistGateways,
    SANDBOX_PG_SECRET: bank.secret,
  })
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const engines = {
    server: t.server,
    secrets: {
      roleSecret: 'a secret that only tests use, 32+ long',
      shadowSigningKeys: [{ id: 'k1', secret: 'a shadow key that only tests use' }],
    },
    about: 'test databases',
    close: async () => undefined,
  }
  return {
    t,
    get bank() {
      return bank
    },
    forget() {
      bank = openBank()
    },
    async withCore(work) {
      const clock = new SettableClock(new Date(0))
      const core = await openCore({ config, engines, clock, log: quiet, twins: bank.twins })
      try {
        return await work(core, clock)
      } finally {
        await core.close()
      }
    },
    async contents() {
      const admin = await t.admin('live')
      const { rows: tables } = await admin.query<{ name: string }>(
        `select schemaname || '.' || tablename as name from pg_tables
         where schemaname in ('orders', 'payments', 'ledger', 'fulfilment', 'routing', 'tracking') order by 1`,
      )
      const found: Record<string, string> = {}
      for (const { name } of tables) {
        const { rows } = await admin.query<{ hash: string }>(
          `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as hash from ${name} as t`,
        )
        found[name] = rows[0]?.hash ?? ''
      }
      return found
    },
    async close() {
      await t.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
