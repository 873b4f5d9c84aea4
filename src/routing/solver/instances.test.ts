import { describe, expect, test } from 'vitest'
import { checkPlan } from './checker.ts'
import { InstanceError, problemOf } from './instance.ts'
import { readSolomon } from './solomon.ts'
import { solve } from './solve.ts'
import { readSolutionCost, readVrplib } from './vrplib.ts'

/** Files of three forms with the same five places in a row, written here. */
const places = Array.from({ length: 5 }, (_, at) => ({
  at,
  x: at * 3,
  y: at * 4,
  demand: at * 2,
  opens: at,
  closes: 200 + at,
  service: at === 0 ? 0 : 7,
}))
const rows = (row: (place: (typeof places)[number]) => readonly number[]) => places.map((place) => row(place).join(' ')).join('\n')
const solomon = () =>
  `T1\n\nVEHICLE\nNUMBER     CAPACITY\n  3         50\n\nCUSTOMER\nCUST NO.  XCOORD.  YCOORD.  DEMAND  READY TIME  DUE DATE  SERVICE TIME\n\n${rows((p) => [p.at, p.x, p.y, p.demand, p.opens, p.closes, p.service])}\n`
const vrplib = () =>
  [
    `NAME : T1\nTYPE : CVRPTW\nDIMENSION : 5\nVEHICLES : 3\nCAPACITY : 50\nSERVICE_TIME : 7\nEDGE_WEIGHT_TYPE : EUC_2D`,
    `NODE_COORD_SECTION\n${rows((p) => [p.at + 1, p.x, p.y])}`,
    `DEMAND_SECTION\n${rows((p) => [p.at + 1, p.demand])}`,
    `TIME_WINDOW_SECTION\n${rows((p) => [p.at + 1, p.opens, p.closes])}`,
    `DEPOT_SECTION\n1\n-1\nEOF`,
  ].join('\n')
const ortec = () =>
  [
    `NAME : T1\nTYPE : VRPTW\nDIMENSION : 5\nVEHICLES : 3\nCAPACITY : 50\nEDGE_WEIGHT_TYPE : EXPLICIT\nEDGE_WEIGHT_FORMAT : FULL_MATRIX`,
    `EDGE_WEIGHT_SECTION\n${rows((p) => places.map((to) => 100 * Math.abs(p.at - to.at) + (to.at > p.at ? 1 : 0)))}`,
    `DEMAND_SECTION\n${rows((p) => [p.at + 1, p.demand])}`,
    `DEPOT_SECTION\n1\n-1`,
    `SERVICE_TIME_SECTION\n${rows((p) => [p.at + 1, p.service])}`,
    `TIME_WINDOW_SECTION\n${rows((p) => [p.at + 1, p.opens * 100, p.closes * 100])}\nEOF`,
  ].join('\n')

describe('instances are read', () => {
  test('Solomon’s and VRPLIB’s form of the same instance say the same, in tenths', () => {
    const instance = readSolomon(solomon())
    expect(readVrplib(vrplib())).toEqual(instance)
    expect(instance).toMatchObject({
      name: 'T1',
      vehicles: 3,
      capacity: 50,
      size: 5,
      service: [0, 70, 70, 70, 70],
      closes: [2000, 2010, 2020, 2030, 2040],
    })
    expect([...instance.durations.subarray(0, 5)]).toEqual([0, 50, 100, 150, 200])
  })

  test('distances are cut off after one decimal, not rounded', () => {
    const instance = readSolomon(solomon().replace('1 3 4 ', '1 3 3 '))
    expect(instance.durations[1]).toBe(42)
    expect(Math.hypot(3, 3) * 10).toBeGreaterThan(42.4)
    expect(readSolomon(solomon().replace('1 3 4 ', '1 7 5 ')).durations[1]).toBe(86)
  })

  test('ORTEC’s form has a matrix of its own, seconds as they are', () => {
    const instance = readVrplib(ortec())
    expect([instance.durations[1], instance.durations[5]]).toEqual([101, 100])
    const problem = problemOf(instance)
    const plan = solve(problem, { iterations: 500 })
    expect(checkPlan(problem, plan)).toEqual({ broken: [], cost: 801 })
  })

  test('the cost of a solution file is its last line', () => {
    expect(readSolutionCost('Route #1: 1 2\nCost 4667.2\n')).toBe(4667.2)
    expect(() => readSolutionCost('Route #1: 1 2\n')).toThrow('Cost')
  })
})

describe('a bad file is named by line and field', () => {
  const failure = (read: () => unknown): InstanceError => {
    try {
      read()
    } catch (error) {
      if (error instanceof InstanceError) return error
      throw error
    }
    throw new Error('it was read')
  }

  test.each([
    ['a word for a number', () => readSolomon(solomon().replace('2 6 8 4', '2 6 8 four')), 12, 'DEMAND'],
    ['a window that ends before it begins', () => readSolomon(solomon().replace('3 203', '300 203')), 13, 'DUE DATE'],
    ['a number too few', () => readSolomon(solomon().replace('4 12 16 8 4 204 7', '4 12 16 8 4 204')), 14, 'SERVICE TIME'],
    ['customers out of order', () => readSolomon(solomon().replace('\n2 6 8', '\n5 6 8')), 12, 'CUST NO.'],
    ['no fleet', () => readSolomon(solomon().replace('NUMBER     CAPACITY', '')), 1, 'NUMBER CAPACITY'],
    ['a field that is missing', () => readVrplib(vrplib().replace('CAPACITY : 50\n', '')), 1, 'CAPACITY'],
    ['a kind that is not known', () => readVrplib(vrplib().replace('EUC_2D', 'GEO')), 7, 'EDGE_WEIGHT_TYPE'],
    ['a line too few', () => readVrplib(vrplib().replace('\n3 4\n', '\n')), 14, 'DEMAND_SECTION'],
    ['a negative load', () => readVrplib(vrplib().replace('\n3 4\n', '\n3 -4\n')), 17, 'DEMAND_SECTION'],
    ['a matrix too small', () => readVrplib(ortec().replace('400 300 200 100 0', '400 300 200 100')), 13, 'EDGE_WEIGHT_SECTION'],
    ['another depot', () => readVrplib(ortec().replace('DEPOT_SECTION\n1', 'DEPOT_SECTION\n2')), 21, 'DEPOT_SECTION'],
    ['something else altogether', () => readVrplib('{"orders": []}'), 1, 'line'],
  ])('%s', (_, read, line, field) => {
    const error = failure(read)
    expect([error.line, error.field]).toEqual([line, field])
  })
})
