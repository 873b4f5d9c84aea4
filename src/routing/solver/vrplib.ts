import { type Instance, InstanceError, type Point, tenths, truncatedEuclidean } from './instance.ts'

interface Line {
  readonly number: number
  readonly text: string
}

/** The most customers that a file may have; a matrix of them has 400 MB. */
const mostPlaces = 10_000

/**
 * Reads VRPLIB: `NAME : …` lines, then sections. EUC_2D instances follow the DIMACS rule (truncated to one decimal; all times come out in tenths);
 * EXPLICIT ones with a FULL_MATRIX, as ORTEC gives them, are taken as they are.
 */
export function readVrplib(text: string): Instance {
  const { fields, sections } = split(text)
  const field = (name: string): { number: number; value: string } => {
    const found = fields.get(name)
    if (found === undefined) throw new InstanceError(1, name, 'is missing')
    return found
  }
  const amount = (name: string, least: number, most: number): number => {
    const { number, value } = field(name)
    return whole({ number, text: value }, value, { name, least, most })
  }
  const size = amount('DIMENSION', 2, mostPlaces)
  const kind = field('EDGE_WEIGHT_TYPE')
  if (kind.value !== 'EUC_2D' && kind.value !== 'EXPLICIT')
    throw new InstanceError(kind.number, 'EDGE_WEIGHT_TYPE', `${kind.value} is not known`)
  const scale = kind.value === 'EUC_2D' ? tenths : 1
  const section = (name: string, columns: number): number[][] => rowsOf(sections.get(name), { name, size, columns })
  const demand = section('DEMAND_SECTION', 1).map(([value]) => value!)
  const windows = section('TIME_WINDOW_SECTION', 2)
  const early = windows.findIndex(([opens, closes]) => opens! > closes!)
  if (early !== -1)
    throw new InstanceError(
      sections.get('TIME_WINDOW_SECTION')!.rows[early]!.number,
      'TIME_WINDOW_SECTION',
      'a window closes before it opens',
    )
  const service = sections.has('SERVICE_TIME_SECTION')
    ? section('SERVICE_TIME_SECTION', 1).map(([value]) => value! * scale)
    : Array.from({ length: size }, (_, place) => (place === 0 ? 0 : amount('SERVICE_TIME', 0, 1e7) * scale))
  checkDepot(sections.get('DEPOT_SECTION'))
  return {
    name: fields.get('NAME')?.value ?? '',
    vehicles: fields.has('VEHICLES') ? amount('VEHICLES', 1, mostPlaces) : size - 1,
    capacity: amount('CAPACITY', 0, 1e9),
    size,
    durations: kind.value === 'EUC_2D' ? truncatedEuclidean(pointsOf(section('NODE_COORD_SECTION', 2))) : matrixOf(fields, sections, size),
    demand,
    opens: windows.map(([opens]) => opens! * scale),
    closes: windows.map(([, closes]) => closes! * scale),
    service,
  }
}

const pointsOf = (rows: readonly number[][]): Point[] => rows.map(([x, y]) => ({ x: x!, y: y! }))

interface Section {
  readonly head: number
  readonly rows: Line[]
}

function split(text: string): { fields: Map<string, { number: number; value: string }>; sections: Map<string, Section> } {
  const fields = new Map<string, { number: number; value: string }>()
  const sections = new Map<string, Section>()
  let open: Section | undefined
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const line = { number: at + 1, text: raw.trim() }
    if (line.text === '') continue
    if (line.text === 'EOF') break
    const pair = /^([A-Z_]+)\s*:\s*(.*)$/.exec(line.text)
    if (/^[A-Z_]+_SECTION:?$/.test(line.text)) {
      open = { head: line.number, rows: [] }
      sections.set(line.text.replace(/:$/, ''), open)
    } else if (pair !== null) fields.set(pair[1]!, { number: line.number, value: pair[2]! })
    else if (open === undefined)
      throw new InstanceError(line.number, 'line', `"${line.text.slice(0, 40)}" is neither a field nor in a section`)
    else open.rows.push(line)
  }
  return { fields, sections }
}

interface Shape {
  readonly name: string
  readonly size: number
  readonly columns: number
}

function rowsOf(section: Section | undefined, { name, size, columns }: Shape): number[][] {
  if (section === undefined) throw new InstanceError(1, name, 'is missing')
  if (section.rows.length !== size) throw new InstanceError(section.head, name, `${section.rows.length} lines for ${size} places`)
  return section.rows.map((line, place) => {
    const words = line.text.split(/\s+/)
    if (words.length !== columns + 1) throw new InstanceError(line.number, name, `${words.length} numbers where ${columns + 1} belong`)
    if (words[0] !== String(place + 1)) throw new InstanceError(line.number, name, `place ${words[0]} where ${place + 1} belongs`)
    const isPoint = name === 'NODE_COORD_SECTION'
    return words.slice(1).map((word) => (isPoint ? decimal(line, word, name) : whole(line, word, { name, least: 0, most: 1e9 })))
  })
}

function decimal({ number }: Line, word: string, name: string): number {
  const value = Number(word)
  if (!Number.isFinite(value)) throw new InstanceError(number, name, `"${word}" is no number`)
  return value
}

function whole(line: Line, word: string, { name, least, most }: { name: string; least: number; most: number }): number {
  const value = decimal(line, word, name)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InstanceError(line.number, name, `"${word}" is no whole number from ${least} to ${most}`)
  }
  return value
}

function matrixOf(
  fields: ReadonlyMap<string, { number: number; value: string }>,
  sections: ReadonlyMap<string, Section>,
  size: number,
): Int32Array {
  const format = fields.get('EDGE_WEIGHT_FORMAT')
  if (format?.value !== 'FULL_MATRIX') throw new InstanceError(format?.number ?? 1, 'EDGE_WEIGHT_FORMAT', 'only FULL_MATRIX is known')
  const section = sections.get('EDGE_WEIGHT_SECTION')
  if (section === undefined) throw new InstanceError(1, 'EDGE_WEIGHT_SECTION', 'is missing')
  const matrix = new Int32Array(size * size)
  let at = 0
  let last = section.head
  for (const line of section.rows) {
    last = line.number
    for (const word of line.text.split(/\s+/)) {
      if (at === matrix.length) throw new InstanceError(line.number, 'EDGE_WEIGHT_SECTION', `more than ${size} times ${size} numbers`)
      matrix[at++] = whole(line, word, { name: 'EDGE_WEIGHT_SECTION', least: 0, most: 1e8 })
    }
  }
  if (at < matrix.length) throw new InstanceError(last, 'EDGE_WEIGHT_SECTION', `${at} numbers for ${size} times ${size}`)
  return matrix
}

function checkDepot(section: Section | undefined): void {
  const depot = section?.rows[0]
  if (depot !== undefined && depot.text !== '1')
    throw new InstanceError(depot.number, 'DEPOT_SECTION', `the depot is place 1, not ${depot.text}`)
}

/** The cost in a `.sol` file, whose last line is `Cost 123.4`. */
export function readSolutionCost(text: string): number {
  const lines = text.split(/\r?\n/)
  const at = lines.findLastIndex((line) => /^cost\b/i.test(line))
  const cost = Number(/^cost[\s:]+(\S+)/i.exec(lines[at] ?? '')?.[1])
  if (!Number.isFinite(cost)) throw new InstanceError(at === -1 ? lines.length : at + 1, 'Cost', 'there is no number')
  return cost
}
