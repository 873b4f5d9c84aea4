import type { ContextDatabase, Statement, WriteContext } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'

export type Captured = [statement: Statement<unknown>, parameters: readonly unknown[]]

const live = { traffic: 'live', rehearsalId: null } as const
const actor = { id: 'bench', scopes: ['*'] }

/** Runs a command's body on a batch and gives the statements that it would send with its commit, instead of sending them. */
export function captureCommand(database: ContextDatabase, operation: Operation, inputs: readonly unknown[]): Promise<Captured[]> {
  if (operation.kind !== 'command') throw new Error(`${operation.id} is no command`)
  const captured: Captured[] = []
  return database.write(live, async (context) => {
    const capturing: WriteContext = { ...context, announce: async () => undefined, defer: (...sent) => void captured.push(sent) }
    const asked = inputs.map((input, index) => ({ input, actor, commandId: `raw-${index}`, traceId: '' }))
    await operation.body(capturing, asked)
    return captured
  })
}

/** Runs a query's body on a batch and gives the statements that it sent. */
export function captureQuery(database: ContextDatabase, operation: Operation, inputs: readonly unknown[]): Promise<Captured[]> {
  if (operation.kind !== 'query') throw new Error(`${operation.id} is no query`)
  const captured: Captured[] = []
  return database.read(live, async (context) => {
    const capturing = {
      ...context,
      query<Row>(statement: Statement<Row>, parameters: readonly unknown[] = []): Promise<Row[]> {
        captured.push([statement, parameters])
        return context.query(statement, parameters)
      },
    }
    await operation.body(
      capturing,
      inputs.map((input) => ({ input, actor, commandId: 'raw', traceId: '' })),
    )
    return captured
  })
}
