import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { hexOf } from './epc.ts'
import { openContainers, type PackableWaybill } from './index.ts'

/** Containers on databases of a test's own, with waybills that the test makes up. */
export interface ContainersRig {
  readonly t: TestDatabases
  readonly containers: ReturnType<typeof openContainers>
  readonly waybills: Map<number, PackableWaybill>
  /** Runs one operation for each input, together; values of those that went well, `code field` of the others. */
  all(operation: string, inputs: readonly object[]): Promise<unknown[]>
  one(operation: string, input: object): Promise<unknown>
  /** The same by one of six servers, whose calls meet in the database only: one server would put them into one batch. */
  by(server: number, operation: string, inputs: readonly object[]): Promise<unknown[]>
  /** Registers totes, each with a tag made from its number, and gives their codes. */
  totes(count: number): Promise<string[]>
  epcOf(code: string): string
  /** Laws that are broken now. */
  broken(): Promise<string[]>
  /** Lets the clock go on. */
  pass(seconds: number): void
  close(): Promise<void>
}

export async function openContainersRig(): Promise<ContainersRig> {
  const t = await openTestDatabases()
  const waybills = new Map<number, PackableWaybill>()
  const containers = openContainers({
    findWaybills: async (_scope, ids) =>
      new Map(ids.flatMap((id) => (waybills.has(id) ? [[id, waybills.get(id) as PackableWaybill]] : []))),
  })
  const runners: Runner[] = Array.from({ length: 6 }, () =>
    openRunner({
      operations: containers.operations,
      databases: t.databases,
      standardLimit: { perSecond: 1_000_000, burst: 1_000_000 },
      nowMs: () => performance.now(),
      log: { error: (facts, message) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`), warn() {}, info() {} },
    }),
  )
  const context = {
    traffic: 'live',
    rehearsalId: null,
    actor: { id: 'scanner', scopes: ['containers:read', 'containers:write'] },
    traceId: 'f'.repeat(32),
  } as const
  const by = async (server: number, operation: string, inputs: readonly object[]) => {
    const runner = runners[server % runners.length] as Runner
    const outcomes = await runner.runMany(
      operation,
      inputs.map((input) => ({ context, input })),
    )
    return outcomes.map((outcome) => (outcome.ok ? outcome.value : `${outcome.error.code} ${outcome.error.field}`))
  }
  const all = (operation: string, inputs: readonly object[]) => by(0, operation, inputs)
  let made = 0
  const epcOf = (code: string) =>
    hexOf({ scheme: 'grai', filter: 0, companyPrefix: '0614141', reference: '12345', serial: code.replace('TOTE-', '') })
  return {
    t,
    containers,
    waybills,
    all,
    by,
    one: async (operation, input) => (await all(operation, [input]))[0],
    async totes(count) {
      const codes = Array.from({ length: count }, () => `TOTE-${(made += 1)}`)
      await all(
        'containers.register',
        codes.map((code) => ({ code, kind: 'tote', colour: 'blue', epc: epcOf(code) })),
      )
      return codes
    },
    epcOf,
    broken: async () =>
      (await t.databases.of('containers').survey(t.live, containers.check)).flatMap(({ check, breaks }) =>
        breaks.length > 0 ? [check] : [],
      ),
    pass: (seconds) => t.clock.set(new Date(t.clock.now().getTime() + seconds * 1000)),
    async close() {
      for (const runner of runners) await runner.drain()
      await t.close()
    },
  }
}
