import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeStates, lockContainers, lockNames, notUsable, type StateChange, unknownContainer } from './container-store.ts'
import { beginContainments, deepest, endContainments, findEdges } from './containment-store.ts'
import type { ContainerState } from './lifecycle.ts'
import { Nesting } from './nesting.ts'

export interface NestContainer {
  readonly code: string
  /** What it is put into; null takes it out. */
  readonly into: string | null
  readonly actor: string
  readonly commandId: string
}

export interface NestedContainer {
  readonly containerId: number
  readonly into: string | null
  readonly changed: boolean
}

/**
 * Puts containers into others, or takes them out. One transaction at a time nests: two that each close half of a ring share no row that
 * either could lock, so rows alone do not decide it. At most seven statements for any number of commands.
 */
export async function nestContainers(context: WriteContext, commands: readonly NestContainer[]): Promise<Outcome<NestedContainer>[]> {
  await lockNames(context, ['nesting'])
  const scanned = await lockContainers(
    context,
    commands.flatMap(({ code, into }) => (into === null ? [code] : [code, into])),
  )
  const ids = commands.flatMap(({ code, into }) => [scanned.get(code), into === null ? undefined : scanned.get(into)])
  const edges = await findEdges(context, [...new Set(ids.flatMap((container) => container?.containerId ?? []))])
  const nesting = new Nesting(edges)
  const before = new Map(edges.map(({ childId, parentId }) => [childId, parentId]))
  const states = new Map<number, ContainerState>()
  const changes: StateChange[] = []

  const outcomes = commands.map(({ code, into, actor, commandId }): Outcome<NestedContainer> => {
    const child = scanned.get(code)
    if (child === undefined) return unknownContainer(code)
    const { containerId } = child
    if (child.state === 'lost' || child.state === 'retired') return notUsable(child, '/code')
    if (into === null) {
      const changed = nesting.parentOf(containerId) !== undefined
      nesting.takeOut(containerId)
      return accepted({ containerId, into: null, changed })
    }
    const parent = scanned.get(into)
    if (parent === undefined) return unknownContainer(into, '/into')
    if (parent.state === 'lost' || parent.state === 'retired') return notUsable(parent, '/into')
    if (nesting.parentOf(containerId) === parent.containerId) return accepted({ containerId, into: parent.code, changed: false })
    const problem = nesting.problemOf(containerId, parent.containerId)
    if (problem === 'cycle')
      return refused('containers.cycle', `${parent.code} is itself inside ${child.code}, which therefore cannot be put into it`, '/into')
    if (problem === 'too_deep')
      return refused('containers.too_deep', `that would be more than ${deepest} containers in each other`, '/into', { deepest })
    nesting.put(containerId, parent.containerId)
    const state = states.get(parent.containerId) ?? parent.state
    if (state === 'empty') {
      states.set(parent.containerId, 'packed')
      changes.push({ containerId: parent.containerId, from: state, to: 'packed', cause: 'containers.nest', commandId, actor })
    }
    return accepted({ containerId, into: parent.code, changed: true })
  })

  // Only how it stands after the batch is written: what lasted no second is nobody's history.
  const moved = [...new Set(commands.flatMap(({ code }) => scanned.get(code)?.containerId ?? []))].filter(
    (childId) => before.get(childId) !== nesting.parentOf(childId),
  )
  await changeStates(context, changes)
  await endContainments(context, { childIds: moved.filter((childId) => before.has(childId)) })
  await beginContainments(
    context,
    moved.flatMap((childId) => {
      const parentId = nesting.parentOf(childId)
      return parentId === undefined ? [] : [{ childId, parentId }]
    }),
  )
  return outcomes
}
