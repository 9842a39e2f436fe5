// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Payment channels beside the registry: `prover` is a payee with a cold wallet, `payer` one without.
abstract contract ChannelFixture is Fixture {
    uint40 internal constant CHALLENGE = 1 days;
    uint96 internal constant DEPOSIT = 1 ether;
    bytes32 internal constant HEAD = keccak256("receipts");

    PaymentChannels internal channels;

    function setUp() public virtual override {
        super.setUp();
        channels = new PaymentChannels(registry, CHALLENGE);
    }

    function end() internal view returns (uint40) {
        return uint40(block.timestamp + 7 days);
    }

    function openChannel(address from, address to) internal returns (bytes32) {
        vm.prank(from);
        return channels.open{value: DEPOSIT}(to, end());
    }

    function voucherFor(uint256 key, bytes32 channelId, uint96 amount, uint64 receipts)
        internal
        view
        returns (PaymentChannels.Voucher memory)
    {
        bytes32 digest = channels.voucherDigest(channelId, amount, receipts, HEAD);
        return PaymentChannels.Voucher(vm.addr(key), amount, receipts, HEAD, sign(key, digest));
    }

    /// A voucher for the pair's latest opening.
    function voucherTo(Actor memory from, address to, uint96 amount)
        internal
        view
        returns (PaymentChannels.Voucher memory)
    {
        (, bytes32 id) = channels.channelOf(from.hot, to);
        return voucherFor(from.key, id, amount, 3);
    }

    function redeemAs(address payee, PaymentChannels.Voucher memory voucher) internal returns (uint256) {
        vm.prank(payee);
        return channels.redeem(payee, voucher);
    }

    function stateOf(address from, address to)
        internal
        view
        returns (PaymentChannels.Channel memory channel)
    {
        (channel,) = channels.channelOf(from, to);
    }
}
