import { idsPerBlock } from '#platform/id-blocks.ts'

/**
 * An order number for people: `TL-00002K-7GHM4X`: store prefix, six digits of the leased block (numbers sort by time to
 * the life of a block), five digits of a place in the block, one check digit.
 *
 * Digits are Crockford's without A and E, so that no vowel is left to spell with: thirty. A block has 30^5 places for its
 * 4,096 numbers; each number takes a random place inside its own stretch of 5,932, so numbers of a block rise, never
 * collide, and one guess in 5,932 names an order. Uniqueness comes from the leased id alone, never from the clock or dice.
 */
const digits = '0123456789BCDFGHJKMNPQRSTVWXYZ'
const base = digits.length
const digitsOnly = new RegExp(`^[${digits}]+$`)
const placesOfBlock = base ** 5
const stretch = Math.floor(placesOfBlock / idsPerBlock)
/** Larger than the base and prime: finds every wrong digit and every swap of neighbours. */
const modulus = 31
const shadowMark = 'Z'

function encode(value: number, length: number): string {
  let text = ''
  let rest = value
  for (let position = 0; position < length; position += 1) {
    text = digits.charAt(rest % base) + text
    rest = Math.floor(rest / base)
  }
  return text
}

function remainderOf(body: string): number {
  let sum = 0
  for (const character of body) sum = (sum * 2 + digits.indexOf(character) + 1) % modulus
  return sum
}

/** The number of the order with this leased id. `random` gives numbers in [0, 1). */
export function orderNumberOf(prefix: string, id: number, traffic: 'live' | 'shadow', random: () => number): string {
  const block = encode(Math.floor(id / idsPerBlock), 6)
  const from = (id % idsPerBlock) * stretch
  for (;;) {
    const body = block + encode(from + Math.floor(random() * stretch), 5)
    const check = remainderOf(body)
    // Thirty digits can not show remainder 30; another place in the same stretch is drawn instead.
    if (check < base) return `${traffic === 'shadow' ? shadowMark : ''}${prefix}-${block}-${body.slice(6)}${digits.charAt(check)}`
  }
}

/** Whether a number is well formed and its check digit right; finds slips of the tongue before any look-up. */
export function isOrderNumber(text: string): boolean {
  const parts = /^([A-Z]{2,5})-([0-9A-Z]{6})-([0-9A-Z]{5})([0-9A-Z])$/.exec(text)
  if (parts === null) return false
  const body = `${parts[2]}${parts[3]}`
  if (!digitsOnly.test(body)) return false
  const check = remainderOf(body)
  return check < base && digits.charAt(check) === parts[4]
}

function decode(text: string): number {
  let value = 0
  for (const character of text) value = value * base + digits.indexOf(character)
  return value
}

/**
 * Ids whose numbers begin so, from and until (exclusive); undefined where the beginning says nothing of ids. What begins like no number
 * has no ids.
 */
export function idsOfPrefix(prefix: string): [from: number, until: number] | undefined {
  const [, block = '', place = ''] = /^[A-Z]+-([0-9A-Z]*)-?([0-9A-Z]*)$/.exec(prefix) ?? []
  if (block === '') return undefined
  if (!digitsOnly.test(block + place) || (place !== '' && block.length < 6)) return [0, 0]
  const first = (text: string, length: number) => decode(text.slice(0, length).padEnd(length, digits.charAt(0)))
  const last = (text: string, length: number) => decode(text.slice(0, length).padEnd(length, digits.charAt(base - 1)))
  if (place === '') return [first(block, 6) * idsPerBlock, (last(block, 6) + 1) * idsPerBlock]
  const from = decode(block) * idsPerBlock
  return [from + Math.floor(first(place, 5) / stretch), Math.min(from + idsPerBlock, from + Math.floor(last(place, 5) / stretch) + 1)]
}
