import type { Cell, OpenTruck, Request } from './assign.ts'
import { fitsType, type Load } from './capacity/index.ts'
import type { Fleet, Ground } from './fleet.ts'

/** By how much a load is over what fits, in the dimension that is most over; undefined when it fits. */
export function overBy(room: Load, load: Load): { share: number; text: string } | undefined {
  let worst: { share: number; text: string } | undefined
  const look = (needed: number, free: number, text: (over: number) => string) => {
    if (needed > free && (worst === undefined || (needed - free) / needed > worst.share))
      worst = { share: (needed - free) / needed, text: text(needed - free) }
  }
  look(load.weightGrams, room.weightGrams, (over) => `${Math.ceil(over / 1000)} kg`)
  look(load.volumeMl, room.volumeMl, (over) => `${Math.ceil(over / 1000)} litres`)
  look(load.pieces, room.pieces, (over) => `${over} pieces`)
  return worst
}

interface Shortage {
  readonly cell: Cell
  readonly request: Request
  readonly fitting: readonly OpenTruck[]
  readonly late: { readonly truck: OpenTruck; readonly seconds: number } | null
  readonly fleet: Fleet | null
  readonly ground: Ground
}

/** Names the truck that came closest and by how much it fell short, and how many were looked at. */
export function noVehicle({ cell, request, fitting, late, fleet, ground }: Shortage): string {
  const able = (fleet?.vehicles ?? []).filter((vehicle) => fitsType(vehicle.type, request.skuType))
  const free = (fleet?.freeFor(cell, ground) ?? [])
    .map(({ vehicle }) => vehicle)
    .filter((vehicle) => fitsType(vehicle.type, request.skuType))
  const limited = free.filter((vehicle) => fleet?.isLimited(cell, vehicle.type) ?? false)
  const trucks = [
    ...fitting.map((truck) => ({ code: truck.vehicle.code, room: subtract(truck.capacity, truck.load) })),
    ...free.map((vehicle) => ({ code: vehicle.code, room: vehicle as Load })),
  ]
  let closest: { share: number; text: string; code: string } | undefined
  for (const { code, room } of trucks) {
    const over = overBy(room, request)
    if (over !== undefined && (closest === undefined || over.share < closest.share)) closest = { ...over, code }
  }
  const counted = `${fitting.length} routes open and ${free.length} of ${able.length} fitting trucks free for ${cell.code} on ${cell.date}`
  const texts = [
    ...(late === null ? [] : [`truck ${late.truck.vehicle.code} comes ${Math.ceil(late.seconds / 60)} min late`]),
    ...(closest === undefined ? [] : [`${closest.text} over on truck ${closest.code}`]),
    ...(limited.length === 0 ? [] : [`${limited.length} free trucks are more than the slot may have`]),
  ]
  return texts.length === 0 ? `no truck takes ${request.skuType} goods: ${counted}` : `${texts.join('; ')}; ${counted}`
}

const subtract = (room: Load, load: Load): Load => ({
  weightGrams: room.weightGrams - load.weightGrams,
  volumeMl: room.volumeMl - load.volumeMl,
  pieces: room.pieces - load.pieces,
})
