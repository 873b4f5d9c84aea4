import { accepted, type Outcome, refused } from '#kernel/outcome.ts'

/**
 * Electronic Product Codes of 96 bits, as the GS1 EPC Tag Data Standard lays them out. All schemes that we read have one shape: header (8
 * bits), filter (3), partition (3), company prefix and reference (44 together), serial (38). The partition says how the 44 are shared.
 */
export type EpcScheme = 'sgtin' | 'grai'

export interface Epc {
  readonly scheme: EpcScheme
  /** What the tag is on, 0 to 7; for readers that want to see boxes only. It does not name anything. */
  readonly filter: number
  /** 6 to 12 digits; its length is part of what it says. */
  readonly companyPrefix: string
  /** SGTIN: indicator digit and item reference. GRAI: asset type, '' where the company prefix has 12 digits. */
  readonly reference: string
  /** 0 to 274,877,906,943, without leading zeros. */
  readonly serial: string
}

const schemes = {
  sgtin: { header: 0x30, uri: 'sgtin-96', key: 'GTIN', field: '/gtin', digits: 13 },
  grai: { header: 0x33, uri: 'grai-96', key: 'GRAI', field: '/grai', digits: 12 },
} as const

/** By partition value: bits and digits of the company prefix. The rest of 44 bits, and of the scheme's digits, is the reference's. */
const partitions = [
  { bits: 40, digits: 12 },
  { bits: 37, digits: 11 },
  { bits: 34, digits: 10 },
  { bits: 30, digits: 9 },
  { bits: 27, digits: 8 },
  { bits: 24, digits: 7 },
  { bits: 20, digits: 6 },
] as const
const sharedBits = 44
const serialBits = 38n
const serialEnd = 1n << serialBits

const wrong = (detail: string): Outcome<never> => refused('containers.bad_epc', detail, '/epc')
const headerText = (header: number): string => header.toString(16).toUpperCase()
const referenceDigits = (scheme: EpcScheme, prefixDigits: number): number => schemes[scheme].digits - prefixDigits

/** Reads a tag as a reader tells it (24 hex digits) or as people write it (`urn:epc:tag:grai-96:0.0614141.12345.400`). */
export function parseEpc(text: string): Outcome<Epc> {
  return text.startsWith('urn:') ? parseUri(text) : parseHex(text)
}

function parseHex(text: string): Outcome<Epc> {
  if (!/^[0-9A-Fa-f]{24}$/.test(text)) return wrong(`an EPC of 96 bits has 24 hex digits; "${text}" has not`)
  const bits = BigInt(`0x${text}`)
  const header = Number(bits >> 88n)
  const scheme = (Object.keys(schemes) as EpcScheme[]).find((name) => schemes[name].header === header)
  if (scheme === undefined) {
    const known = Object.values(schemes).map((of) => `${headerText(of.header)} (${of.uri})`)
    return wrong(`header ${text.slice(0, 2)} is none that we read; ${known.join(' and ')} are`)
  }
  const partition = Number((bits >> 82n) & 7n)
  const share = partitions[partition]
  if (share === undefined) return wrong('partition 7 does not exist; it must be 0 to 6')
  const referenceBits = BigInt(sharedBits - share.bits)
  const prefix = (bits >> (serialBits + referenceBits)) & ((1n << BigInt(share.bits)) - 1n)
  const reference = (bits >> serialBits) & ((1n << referenceBits) - 1n)
  const digits = referenceDigits(scheme, share.digits)
  if (prefix >= 10n ** BigInt(share.digits))
    return wrong(`company prefix ${prefix} is too large for partition ${partition}, which gives it ${share.digits} digits`)
  if (reference >= 10n ** BigInt(digits))
    return wrong(`${referenceName(scheme)} ${reference} is too large for partition ${partition}, which gives it ${digits} digits`)
  return accepted({
    scheme,
    filter: Number((bits >> 85n) & 7n),
    companyPrefix: prefix.toString().padStart(share.digits, '0'),
    reference: digits === 0 ? '' : reference.toString().padStart(digits, '0'),
    serial: (bits & (serialEnd - 1n)).toString(),
  })
}

const referenceName = (scheme: EpcScheme): string => (scheme === 'sgtin' ? 'item reference' : 'asset type')

function parseUri(text: string): Outcome<Epc> {
  const [, name, filter = '', companyPrefix = '', reference = '', serial = ''] =
    /^urn:epc:tag:(sgtin|grai)-96:([0-7])\.(\d{6,12})\.(\d*)\.(\d+)$/.exec(text) ?? []
  if (name === undefined)
    return wrong(
      `"${text}" is not urn:epc:tag:SCHEME:filter.prefix.reference.serial with sgtin-96 or grai-96, filter 0 to 7 and a prefix of 6 to 12 digits`,
    )
  const scheme = name as EpcScheme
  const digits = referenceDigits(scheme, companyPrefix.length)
  if (reference.length !== digits)
    return wrong(
      `${referenceName(scheme)} "${reference}" has ${reference.length} digits; with a company prefix of ${companyPrefix.length} it must have ${digits}`,
    )
  if (serial.length > 1 && serial.startsWith('0')) return wrong(`serial ${serial} has leading zeros; a tag of 96 bits cannot keep them`)
  if (BigInt(serial) >= serialEnd) return wrong(`serial ${serial} is larger than ${serialEnd - 1n}, the most that a tag of 96 bits keeps`)
  return accepted({ scheme, filter: Number(filter), companyPrefix, reference, serial })
}

/** 24 hex digits in capitals: the form in which tags are stored. */
export function hexOf({ scheme, filter, companyPrefix, reference, serial }: Epc): string {
  const partition = partitions.findIndex((share) => share.digits === companyPrefix.length)
  const referenceBits = BigInt(sharedBits - (partitions[partition]?.bits ?? 0))
  let bits = BigInt(schemes[scheme].header)
  bits = (bits << 3n) | BigInt(filter)
  bits = (bits << 3n) | BigInt(partition)
  bits = (bits << BigInt(sharedBits)) | (BigInt(companyPrefix) << referenceBits) | BigInt(reference === '' ? 0 : reference)
  bits = (bits << serialBits) | BigInt(serial)
  return bits.toString(16).toUpperCase().padStart(24, '0')
}

export function uriOf({ scheme, filter, companyPrefix, reference, serial }: Epc): string {
  return `urn:epc:tag:${schemes[scheme].uri}:${filter}.${companyPrefix}.${reference}.${serial}`
}

/** Weights 3 and 1 from the right, as for every GS1 key: any one wrong digit changes the sum by no multiple of ten. */
export function checkDigitOf(digits: string): string {
  let sum = 0
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index])
    sum += index % 2 === 0 ? digit * 3 : digit
  }
  return String((10 - (sum % 10)) % 10)
}

/** The 14 digits that are printed beside the bar code: the GTIN, or the GRAI without its serial. The last one is the check digit. */
export function printedKeyOf({ scheme, companyPrefix, reference }: Epc): string {
  const digits = scheme === 'sgtin' ? `${reference.slice(0, 1)}${companyPrefix}${reference.slice(1)}` : `0${companyPrefix}${reference}`
  return `${digits}${checkDigitOf(digits)}`
}

/** Whether a printed GTIN or GRAI is right in itself and is that of the tag. A GRAI may carry its serial behind the 14 digits. */
export function checkPrintedKey(epc: Epc, scheme: EpcScheme, printed: string): Outcome<null> {
  const { key, field } = schemes[scheme]
  const no = (detail: string): Outcome<never> => refused('containers.bad_printed_key', detail, field)
  if (scheme === 'sgtin' ? !/^\d{14}$/.test(printed) : !/^0\d{13}\d{0,12}$/.test(printed))
    return no(
      scheme === 'sgtin'
        ? `a GTIN has 14 digits; "${printed}" has not`
        : `a GRAI has a zero, 13 digits and at most 12 of a serial; "${printed}" has not`,
    )
  const [digits, given] = [printed.slice(0, 13), printed[13]]
  const right = checkDigitOf(digits)
  if (given !== right) return no(`the check digit of ${key} ${printed.slice(0, 14)} is ${given}; for ${digits} it must be ${right}`)
  if (epc.scheme !== scheme) return no(`the tag is a ${schemes[epc.scheme].key}, not a ${key}`)
  const own = printedKeyOf(epc)
  if (printed.slice(0, 14) !== own) return no(`the tag carries ${key} ${own}, not ${printed.slice(0, 14)}`)
  const serial = printed.slice(14)
  if (serial !== '' && serial !== epc.serial) return no(`the tag carries serial ${epc.serial}, not ${serial}`)
  return accepted(null)
}
