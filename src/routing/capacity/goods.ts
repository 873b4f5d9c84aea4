/** Kinds of goods, and of the trucks that carry them; a mixed truck has a compartment for each. */
export type SkuType = 'dry' | 'frozen' | 'mixed'

export interface Load {
  readonly weightGrams: number
  readonly volumeMl: number
  readonly pieces: number
}

export const fitsType = (truck: SkuType, goods: SkuType): boolean => truck === goods || truck === 'mixed'
