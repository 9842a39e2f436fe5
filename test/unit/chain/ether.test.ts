import { describe, expect, it } from 'vitest'
import { formatEther, formatGwei, gweiToWei, lackOfMoney, parseAmount } from '../../../src/chain/ether.js'

describe('amounts', () => {
  it('show six figures, cut or rounded up', () => {
    expect(formatEther(0n)).toBe('0 ETH')
    expect(formatEther(1n)).toBe('0.000000000000000001 ETH')
    expect(formatEther(10n ** 18n)).toBe('1 ETH')
    expect(formatEther(1_234_567_890_123_456_789n)).toBe('1.234567 ETH')
    expect(formatEther(1_234_567_890_123_456_789n, 'up')).toBe('1.234568 ETH')
    expect(formatEther(578_191_999_999_999n)).toBe('0.000578191 ETH')
    expect(formatEther(999_999_999_999_999_999n, 'up')).toBe('1 ETH')
    expect(formatEther(12_300n * 10n ** 18n)).toBe('12300 ETH')
    expect(formatGwei(1_071_223_230n)).toBe('1.071 gwei')
    expect(formatGwei(7n)).toBe('0.000000007 gwei')
  })

  it('are read with their unit, exactly', () => {
    for (const [text, wei] of [
      ['1', 10n ** 18n],
      ['0.5 ETH', 5n * 10n ** 17n],
      ['0.5ether', 5n * 10n ** 17n],
      ['20 gwei', 20n * 10n ** 9n],
      ['1000 wei', 1000n],
      ['0.000000000000000001', 1n],
    ] as const)
      expect(parseAmount(text)).toBe(wei)
    for (const text of ['', '-1', '1e3', '1 btc', '0.0000000000000000001', '1.5 wei', '9'.repeat(30)])
      expect(() => parseAmount(text)).toThrow(/no amount of money/)
    expect(gweiToWei(0.1)).toBe(100_000_000n)
  })

  it('never show a need that is smaller than it is', () => {
    const error = lackOfMoney('a', 10n ** 18n - 1n, 10n ** 18n + 1n, 'b')
    expect(error.message).toBe('a: have 0.999999 ETH, need 1.000001 ETH')
    expect(error.details).toEqual({ haveWei: '999999999999999999', needWei: '1000000000000000001' })
  })
})
