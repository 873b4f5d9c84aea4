import { breakAt, type Break, type Wall } from './source.ts'
import { sqlIn, sqlOfMigrations, type SqlText } from './sql-text.ts'

/** The SET clause of every UPDATE, with what follows it up to the end of its statement or of the CTE it stands in. */
function updatesOf(text: string): { at: number; set: string; rest: string }[] {
  return [...text.matchAll(/\bset\b(?!\s+(local|session|lock_timeout)\b)/gi)].map((match) => {
    const from = match.index + match[0].length
    const end = closingOf(text, from)
    const clause = text.slice(from, end)
    const stop = endOfSet(clause)
    return { at: match.index, set: clause.slice(0, stop), rest: clause.slice(stop) }
  })
}

/** Where the parenthesis around `from` closes, or the statement ends. */
function closingOf(text: string, from: number): number {
  let depth = 0
  for (let index = from; index < text.length; index += 1) {
    if (text[index] === '(') depth += 1
    if (text[index] === ')') depth -= 1
    if (depth < 0 || (depth === 0 && text[index] === ';')) return index
  }
  return text.length
}

function endOfSet(clause: string): number {
  let depth = 0
  for (let index = 0; index < clause.length; index += 1) {
    if (clause[index] === '(') depth += 1
    if (clause[index] === ')') depth -= 1
    if (depth === 0 && /^(from|where|returning)\b/i.test(clause.slice(index)) && !/\w/.test(clause[index - 1] ?? ' ')) return index
  }
  return clause.length
}

const setsState = /(^|,)\s*(\(\s*)?("?\w*_?state"?)\s*=(?!=)/i
const bumpsVersion = /\bversion\s*=\s*[\w.]*\bversion\s*\+\s*1/i

function unguarded({ file, at, text }: SqlText): Break[] {
  return updatesOf(text).flatMap((update): Break[] => {
    const column = setsState.exec(update.set)?.[3]
    if (column !== 'state') return []
    const position = at + update.at
    if (!bumpsVersion.test(update.set)) {
      return [breakAt(file, position, 'sets state without `version = version + 1`: the trigger would call it a change by hand')]
    }
    const others = text.replace(update.set, '')
    const compares = /\b(state|version)\s*(=|<>|!=|in\b|not\s+in\b)/i.test(others)
    return compares
      ? []
      : [breakAt(file, position, 'sets state without comparing the old one: take the sources of the life cycle into the statement')]
  })
}

export const statesWall: Wall = {
  name: 'states',
  why: 'A state changes only by compare-and-set along its life cycle, and the version tells every change: two callers at once must not both win.',
  check: (tree) => [
    ...tree.sources
      .filter((source) => !source.isTest && source.room.kind !== 'outside')
      .flatMap((source) => sqlIn(source).flatMap(unguarded)),
    ...sqlOfMigrations(tree).flatMap(unguarded),
  ],
}
