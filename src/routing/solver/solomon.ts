import { type Instance, InstanceError, type Point, tenths, truncatedEuclidean } from './instance.ts'

const columns = ['CUST NO.', 'XCOORD.', 'YCOORD.', 'DEMAND', 'READY TIME', 'DUE DATE', 'SERVICE TIME'] as const
const mostCustomers = 10_000

/**
 * Reads Solomon's text form: a name, the number and capacity of vehicles, then a line of seven numbers for the depot (customer 0) and each customer.
 * Distances and times by the DIMACS rule, in tenths.
 */
export function readSolomon(text: string): Instance {
  const lines = text.split(/\r?\n/).map((raw, at) => ({ number: at + 1, text: raw.trim() }))
  const isNumeric = ({ text: line }: { text: string }) => /^[-\d]/.test(line) && !/[A-Za-z]/.test(line)
  const name = lines.find(({ text: line }) => line !== '')?.text ?? ''
  const fleetHead = lines.findIndex(({ text: line }) => /^NUMBER\s+CAPACITY$/i.test(line))
  const customerHead = lines.findIndex(({ text: line }) => /^CUST\b/i.test(line) && /\bDEMAND\b/i.test(line))
  if (fleetHead === -1) throw new InstanceError(1, 'NUMBER CAPACITY', 'is missing')
  if (customerHead === -1) throw new InstanceError(fleetHead + 1, 'CUSTOMER', 'is missing')
  const fleet = lines.slice(fleetHead + 1, customerHead).find(isNumeric)
  if (fleet === undefined) throw new InstanceError(fleetHead + 1, 'NUMBER CAPACITY', 'has no numbers')
  const [vehicles, capacity] = numbersOf(fleet, ['NUMBER', 'CAPACITY'])
  const rows = lines.slice(customerHead + 1).filter(({ text: line }) => line !== '')
  if (rows.length < 2) throw new InstanceError(customerHead + 1, 'CUSTOMER', 'there is no customer')
  if (rows.length > mostCustomers) throw new InstanceError(customerHead + 1, 'CUSTOMER', `more than ${mostCustomers} lines`)
  const points: Point[] = []
  const instance = { demand: [] as number[], opens: [] as number[], closes: [] as number[], service: [] as number[] }
  for (const [at, row] of rows.entries()) {
    const [number, x, y, demand, ready, due, service] = numbersOf(row, columns)
    if (number !== at) throw new InstanceError(row.number, 'CUST NO.', `${number} where ${at} belongs`)
    for (const [nth, value] of [demand, ready, due, service].entries()) {
      if (!Number.isInteger(value) || value! < 0 || value! > 1e7)
        throw new InstanceError(row.number, columns[nth + 3]!, `${value} is no whole number from 0 to 10000000`)
    }
    if (ready! > due!) throw new InstanceError(row.number, 'DUE DATE', `${due} is before READY TIME ${ready}`)
    points.push({ x: x!, y: y! })
    instance.demand.push(demand!)
    instance.opens.push(ready! * tenths)
    instance.closes.push(due! * tenths)
    instance.service.push(service! * tenths)
  }
  if (!Number.isInteger(vehicles) || vehicles! < 1 || vehicles! > mostCustomers)
    throw new InstanceError(fleet.number, 'NUMBER', `${vehicles} vehicles`)
  if (!Number.isInteger(capacity) || capacity! < 0 || capacity! > 1e9)
    throw new InstanceError(fleet.number, 'CAPACITY', `${capacity} is no capacity`)
  return { name, vehicles: vehicles!, capacity: capacity!, size: points.length, durations: truncatedEuclidean(points), ...instance }
}

function numbersOf(line: { number: number; text: string }, names: readonly string[]): number[] {
  const words = line.text.split(/\s+/)
  if (words.length !== names.length)
    throw new InstanceError(
      line.number,
      names[Math.min(words.length, names.length - 1)]!,
      `${words.length} numbers where ${names.length} belong`,
    )
  return words.map((word, at) => {
    const value = Number(word)
    if (!Number.isFinite(value)) throw new InstanceError(line.number, names[at]!, `"${word}" is no number`)
    return value
  })
}
