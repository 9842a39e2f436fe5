// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PaymentChannels} from "../src/PaymentChannels.sol";
import {ChannelFixture} from "./support/ChannelFixture.sol";

/// @notice Gas of whole transactions on channels, as in GasTest; the payee's cold wallet was in use before.
contract ChannelGasTest is ChannelFixture {
    uint256 private constant OPEN_LIMIT = 69_000;
    uint256 private constant REDEEM_LIMIT = 60_000;
    uint256 private constant REDEEM_EACH_OF_TEN_LIMIT = 25_000;

    function note(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("channels", name);
    }

    function test_gas_course() public {
        openChannel(payer.hot, prover.hot);
        atMost(note("open (payer)"), OPEN_LIMIT, "open");
        PaymentChannels.Voucher memory first = voucherTo(payer, prover.hot, 0.1 ether);
        PaymentChannels.Voucher memory second = voucherTo(payer, prover.hot, 0.2 ether);
        vm.prank(payer.hot);
        channels.topUp{value: 1 ether}(prover.hot, 0);
        note("top up (payer)");
        redeemAs(prover.hot, first);
        atMost(note("redeem (payee), paid to the cold wallet"), REDEEM_LIMIT, "redeem");
        vm.prank(payer.hot);
        channels.requestClose(payer.hot, prover.hot);
        note("request close (payer)");
        vm.prank(prover.hot);
        channels.redeemAndClose(prover.hot, second);
        note("redeem and close (payee)");
        openChannel(payer.hot, prover.hot);
        note("open again (payer)");
        vm.warp(end());
        channels.close(payer.hot, prover.hot);
        note("close after the end (anyone)");
    }

    function test_gas_redeemOfAnUnregisteredPayee() public {
        Actor memory payee = actor(0x9a7ee);
        vm.deal(payee.hot, 1);
        openChannel(payer.hot, payee.hot);
        redeemAs(payee.hot, voucherTo(payer, payee.hot, 0.1 ether));
        note("redeem (payee), one without a cold wallet");
    }

    function test_gas_redeemMany() public {
        PaymentChannels.Voucher[] memory all = new PaymentChannels.Voucher[](10);
        for (uint256 i = 0; i < 10; ++i) {
            Actor memory client = actor(0xc11e00 + i);
            vm.deal(client.hot, 2 ether);
            openChannel(client.hot, prover.hot);
            all[i] = voucherTo(client, prover.hot, uint96(0.1 ether + i));
        }
        vm.prank(prover.hot);
        channels.redeemMany(prover.hot, all);
        atMost(note("redeem ten payers' vouchers (payee)"), 10 * REDEEM_EACH_OF_TEN_LIMIT, "ten");
    }
}
