/** What the made city sells: enough of each kind to fill waybills of all three SKU types. */
export const goods = [
  { sku: 'TEA-100', name: 'Breakfast tea, 100 bags', skuType: 'dry', weightGrams: 320, volumeMl: 1_100, priceMinor: 899 },
  { sku: 'RICE-2K', name: 'Long grain rice, 2 kg', skuType: 'dry', weightGrams: 2_020, volumeMl: 2_400, priceMinor: 749 },
  { sku: 'OATS-1K', name: 'Rolled oats, 1 kg', skuType: 'dry', weightGrams: 1_020, volumeMl: 2_600, priceMinor: 429 },
  { sku: 'BEANS-4', name: 'Baked beans, 4 tins', skuType: 'dry', weightGrams: 1_800, volumeMl: 1_700, priceMinor: 519 },
  { sku: 'SOAP-3', name: 'Hand soap, 3 bars', skuType: 'dry', weightGrams: 310, volumeMl: 420, priceMinor: 379 },
  { sku: 'PEAS-F', name: 'Garden peas, frozen', skuType: 'frozen', weightGrams: 920, volumeMl: 1_500, priceMinor: 349 },
  { sku: 'FISH-F', name: 'Fish fingers, frozen', skuType: 'frozen', weightGrams: 560, volumeMl: 1_200, priceMinor: 629 },
  { sku: 'ICE-F', name: 'Vanilla ice cream', skuType: 'frozen', weightGrams: 980, volumeMl: 1_900, priceMinor: 799 },
  { sku: 'MEAL-M', name: 'Dinner box, chilled and dry', skuType: 'mixed', weightGrams: 2_400, volumeMl: 5_200, priceMinor: 2_499 },
  { sku: 'FRUIT-M', name: 'Fruit box', skuType: 'mixed', weightGrams: 4_100, volumeMl: 9_000, priceMinor: 1_899 },
] as const

export const demoStore = { storeId: 'falls', name: 'Throughline Falls Market', prefix: 'TL', currency: 'CAD' } as const
