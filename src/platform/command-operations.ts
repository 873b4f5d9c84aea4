import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { findCommands } from '#platform/command-store.ts'
import { type Operation, query } from '#platform/operation.ts'

const closed = { additionalProperties: false }
const when = Type.String({ format: 'date-time' })

/** The resource of a command that was accepted to be run later. */
export const queuedCommand = Type.Object({
  commandId: Type.String(),
  queue: Type.String({ description: 'order, payment or update' }),
  operation: Type.String(),
  state: Type.String({ description: 'queued, done or refused' }),
  queuedAt: when,
  finishedAt: Type.Union([when, Type.Null()]),
  value: Type.Unknown({ description: 'of a done command: what the operation answers when it is run at once' }),
  error: Type.Unknown({ description: 'of a refused command: code, detail and field' }),
})

export const commandOperations: readonly Operation[] = [
  query({
    id: 'platform.get_command',
    context: 'platform',
    summary: 'What became of a command that was sent with Prefer: respond-async',
    input: Type.Object({ commandId: Type.String({ pattern: '^cmd_[\\w-]{20}$' }) }, closed),
    output: queuedCommand,
    scopes: ['orders:read', 'orders:write', 'payments:read', 'payments:write', 'catalogue:write', 'fulfilment:write'],
    http: { method: 'GET', path: '/v1/commands/:commandId' },
    batch: { largest: 256, longestWaitMs: 0 },
    priority: 'normal',
    errors: { 'platform.no_such_command': 404 },
    async body(context, asked) {
      const found = await findCommands(
        context,
        asked.map(({ input }) => input.commandId),
      )
      return asked.map(({ input, actor }) => {
        const command = found.get(input.commandId)
        // Somebody else's command is not there: its name alone proves nothing.
        if (command === undefined || (command.client !== actor.id && !actor.scopes.includes('*')))
          return refused('platform.no_such_command', 'You have sent no such command.', '/commandId')
        const { client: _, ...view } = command
        return accepted(view)
      })
    },
  }),
]
