// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inventory} from "../../src/Inventory.sol";
import {Kind} from "../../src/libraries/Hops.sol";
import {EvilPool, FixedPricePool, Pair} from "../mocks/Pools.sol";
import {HookedToken, PlainToken} from "../mocks/Tokens.sol";
import {Callbacks} from "./Callbacks.sol";
import {Referenced} from "./Referenced.sol";

/// @notice Everyone who may meet the executor, one move each: an outsider, a stolen operator key with pools of its own,
/// an honest operator, the owner, the market. The books kept here are what the invariants compare.
contract Players is Referenced {
    /// @dev More than all that the decimals of `valued` lose.
    uint256 private constant DUST = 1e6;

    Pair internal cheap;
    Pair internal dear;
    FixedPricePool internal flat;
    PlainToken[3] internal tokens;
    mapping(PlainToken token => uint256) internal executorFloor;
    mapping(PlainToken token => uint256) internal stockAtBlockStart;

    uint256 public honestSettled;
    uint256 public evilSettled;
    uint256 public familiesSettled;
    uint256 public executorLosses;
    uint256 public inventoryLosses;
    uint256 public strangersServed;
    uint256 public misdirectedSweeps;
    uint256 public shortfalls;
    uint256 public dirtyTransient;
    uint256 public standingApprovals;
    uint256 public loansSettled;
    uint256 public reentriesTried;
    uint256 public gainsNotPaid;
    uint256 public overlosses;
    uint256 public meansMoved;
    uint256 public thefts;
    uint256 internal valueAtBlockStart;
    int256 internal meanAtBlockStart;
    EvilPool[2] internal evils;
    Venue[11] internal families;
    FixedPricePool[11] internal homes;
    HookedToken internal hooked;
    uint256[] internal throughHooked;

    constructor() {
        setUp();
        cheap = pair(weth, 100e18, mid, 300e18);
        dear = pair(mid, 200e18, weth, 100e18);
        flat = pool(weth, dai, 30);
        tokens = [weth, dai, mid];
        for (uint256 i; i < 3; ++i) {
            tokens[i].mint(address(executor), 10e18);
            tokens[i].mint(address(manager), STOCK);
            executorFloor[tokens[i]] = 10e18;
        }
        _openBlock();
        for (uint256 i; i < families.length; ++i) {
            families[i] = venue(kinds()[i], weth, mid, 30);
            homes[i] = pool(PlainToken(families[i].token1), weth, 5);
        }
        EvilPool.Script memory none;
        (evils[0], evils[1]) = (evil(weth, mid, none), evil(mid, weth, none));
        hooked = new HookedToken();
        throughHooked = path(v3(pool(weth, hooked, 30), true), v3(pool(hooked, weth, 5), true));
        weth.mint(address(aave.KEEPER()), STOCK);
        weth.mint(address(vaultV2), STOCK);
    }

    /// @notice Whether anyone may move the executor's or the inventory's tokens.
    function anyAllowance() external view returns (bool) {
        address[6] memory spenders = [OWNER, OPERATOR, OUTSIDER, address(cheap), address(dear), address(flat)];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j; j < spenders.length; ++j) {
                if (tokens[i].allowance(address(executor), spenders[j]) != 0) return true;
                if (tokens[i].allowance(address(inventory), spenders[j]) != 0) return true;
            }
        }
        return false;
    }

    function moveMarket(uint256 amount, bool up) external {
        Pair market = up ? cheap : dear;
        weth.mint(address(market), bound(amount, 0, 3e18));
        market.sync();
    }

    function runHonestly(uint256 amountIn, uint256 minGain) external {
        amountIn = bound(amountIn, 1, 30e18);
        minGain = bound(minGain, 0, 1e18);
        uint256 before = weth.balanceOf(address(executor));
        vm.prank(OPERATOR);
        try executor.run(
            head(weth, block.number), amounts(amountIn, minGain), 0, path(v2(cheap, true), v2(dear, true))
        ) {
            ++honestSettled;
            if (weth.balanceOf(address(executor)) < before + minGain) ++shortfalls;
        } catch {}
        _close();
    }

    function runThroughAFamily(uint256 which, uint256 amountIn, bool first) external {
        which %= families.length;
        amountIn = bound(amountIn, 0, 3e18);
        uint256[] memory hops = first
            ? join(hop(families[which], true), path(v3(homes[which], true)))
            : join(path(v3(homes[which], false)), hop(families[which], false));
        vm.prank(OPERATOR);
        try executor.run(head(weth, block.number), amounts(amountIn, 0), 0, hops) {
            ++familiesSettled;
        } catch {}
        if (!nothingIsApproved(families[which])) ++standingApprovals;
        _close();
    }

    function runThroughEvil(EvilPool.Script memory a, EvilPool.Script memory b, uint256 shape, uint256 amountIn)
        external
    {
        amountIn = bound(amountIn, 0, 12e18);
        (PlainToken token, PlainToken between) = (tokens[shape % 2], tokens[shape / 2 % 3]);
        (Kind first, Kind second) = (_kind(shape / 6), _kind(shape / 36));
        // Of a chain of pairs only the last is called upon to call back, for what went into the first.
        bool chain = first == Kind.ConstantProduct && second == Kind.ConstantProduct;
        _due(a, first <= Kind.Algebra && !chain, amountIn);
        _due(b, chain || _asksBack(second), chain ? amountIn : a.delivers);
        uint256[] memory hops =
            join(_hop(_evil(0, token, between, a), first), _hop(_evil(1, between, token, b), second));
        vm.prank(OPERATOR);
        try executor.run(head(token, block.number), amounts(amountIn, 0), 0, hops) {
            ++evilSettled;
        } catch {}
        _close();
    }

    function exchangeHonestly(uint256 amountIn, bool fromWeth) external {
        (PlainToken from, PlainToken to) = fromWeth ? (weth, dai) : (dai, weth);
        uint256[] memory hops = path(v3(flat, fromWeth));
        vm.prank(OPERATOR);
        try executor.exchange(head(from, block.number), amounts(bound(amountIn, 0, CAP), 0), address(to), 0, hops) {
            ++honestSettled;
        } catch {}
        _close();
    }

    function exchangeThroughEvil(EvilPool.Script memory script, uint256 shape, uint256 amountIn) external {
        (PlainToken from, PlainToken to) = (tokens[shape % 3], tokens[shape / 3 % 3]);
        amountIn = bound(amountIn, 0, 12e18);
        Kind kind = _kind(shape / 9);
        _due(script, _asksBack(kind), amountIn);
        EvilPool through = _evil(0, from, to, script);
        uint256[] memory hops = _hop(through, kind);
        vm.prank(OPERATOR);
        try executor.exchange(head(from, block.number), amounts(amountIn, 0), address(to), 0, hops) {
            ++evilSettled;
        } catch {}
        _close();
    }

    /// @notice A stolen key borrows from a lender of its own, and then trades honestly, or not.
    function borrowFromEvil(EvilPool.Script memory script, uint256 shape, uint256 amountIn) external {
        amountIn = bound(amountIn, 0, 12e18);
        _due(script, true, amountIn);
        EvilPool lender = _evil(0, weth, dai, script);
        weth.mint(address(lender), 12e18);
        Kind kind = shape % 2 == 0 ? Kind.LentByPair : Kind.LentByPool;
        uint256 loan = uint160(address(lender)) | uint256(kind) << 184 | 1 << 192;
        hooked.hook(address(0), "");
        vm.prank(OPERATOR);
        try executor.run(head(weth, block.number), amounts(amountIn, 0), 0, join(path(loan), throughHooked)) {
            ++evilSettled;
        } catch {}
        _close();
    }

    function borrowHonestly(uint256 which, uint256 amountIn, uint256 minGain) external {
        Kind[3] memory lenders = [Kind.LentByUniswapV4, Kind.LentByBalancerV2, Kind.LentByAaveV3];
        which %= 3;
        uint256 loan = uint256(lenders[which]) << 184 | (which == 2 ? 500 << 160 : 0);
        uint256 before = weth.balanceOf(address(executor));
        (amountIn, minGain) = (bound(amountIn, 1, 3e18), bound(minGain, 0, 2e18));
        uint256[] memory hops = join(path(loan), throughHooked);
        hooked.hook(address(0), "");
        vm.prank(SECOND_OPERATOR);
        try executor.run(head(weth, block.number), amounts(amountIn, minGain), 0, hops) {
            ++loansSettled;
            if (weth.balanceOf(address(executor)) < before + minGain) ++shortfalls;
        } catch {}
        if (weth.allowance(address(executor), address(aave)) != 0) ++standingApprovals;
        _close();
    }

    /// @notice Anyone, by any entry, with data of any shape.
    function strangerTries(uint256 which, address stranger, uint256 amount, uint256 shape, bytes calldata noise)
        external
    {
        if (stranger == OWNER || executor.isOperator(stranger) || stranger == address(executor)) return;
        bytes[] memory attempts = _attempts(stranger, amount, shape, noise);
        which %= attempts.length;
        address target = which == attempts.length - 1 ? address(inventory) : address(executor);
        vm.prank(stranger);
        (bool succeeded,) = target.call(attempts[which]);
        if (succeeded) ++strangersServed;
        _close();
    }

    /// @notice A token calls every entry in the middle of an honest run.
    function reenter(uint256 which, uint256 amount, uint256 shape, bytes calldata noise) external {
        bytes[] memory attempts = _attempts(address(hooked), amount, shape, noise);
        which %= attempts.length;
        address target = which == attempts.length - 1 ? address(inventory) : address(executor);
        hooked.hook(target, attempts[which]);
        uint256 before = hooked.successes();
        vm.prank(OPERATOR);
        executor.run(head(weth, block.number), amounts(1e18, 0.5e18), 0, throughHooked);
        ++reentriesTried;
        strangersServed += hooked.successes() - before;
        _close();
    }

    /// @notice What is asked for as a gain is gained, or nothing happened.
    function asksForTooMuch(uint256 amountIn, uint256 tooMuch) external {
        amountIn = bound(amountIn, 1, 3e18);
        uint256 gain = amountIn / 2;
        hooked.hook(address(0), "");
        vm.prank(OPERATOR);
        uint256 least = gain + 2 + tooMuch % 1e30;
        try executor.run(head(weth, block.number), amounts(amountIn, least), 0, throughHooked) {
            ++gainsNotPaid;
        } catch {}
        _close();
    }

    function _attempts(address stranger, uint256 amount, uint256 shape, bytes memory noise)
        private
        view
        returns (bytes[] memory attempts)
    {
        amount = uint128(amount);
        bytes memory data =
            Callbacks.shaped(shape % Callbacks.SHAPES, address(weth), amount, stranger, v2(dear, true), noise);
        bytes[] memory callbacks = Callbacks.all(shape % 2 == 0 ? stranger : address(executor), amount, data);
        attempts = new bytes[](Callbacks.COUNT + 4);
        for (uint256 i; i < Callbacks.COUNT; ++i) {
            attempts[i] = callbacks[i];
        }
        uint256 now_ = head(weth, block.number);
        attempts[Callbacks.COUNT] =
            abi.encodeCall(executor.run, (now_, amounts(amount, 0), 0, path(v2(cheap, true), v2(dear, true))));
        attempts[Callbacks.COUNT + 1] =
            abi.encodeCall(executor.exchange, (now_, amounts(amount, 0), address(dai), 0, path(v3(flat, true))));
        attempts[Callbacks.COUNT + 2] = abi.encodeCall(executor.sweep, (address(weth)));
        attempts[Callbacks.COUNT + 3] = abi.encodeCall(inventory.draw, (address(weth), amount, stranger, address(dai)));
    }

    function ownerSweeps(uint256 which) external {
        PlainToken token = tokens[which % 3];
        uint256 before = token.balanceOf(TREASURY) + token.balanceOf(address(executor));
        vm.prank(OWNER);
        executor.sweep(address(token));
        if (token.balanceOf(TREASURY) != before) ++misdirectedSweeps;
        executorFloor[token] = 0;
        token.mint(address(executor), 10e18);
        _close();
    }

    function nextBlock() external {
        vm.roll(block.number + 1);
        vm.warp(block.timestamp + BLOCK_S);
        // Arbitrageurs: after a block at most, its price is the market's again.
        mover.bringBack(meanPool, weth);
        _openBlock();
    }

    /// @notice Somebody, perhaps the thief, moves the inventory's reference.
    function moveReference(uint256 amount, bool zeroForOne) external {
        mover.move(meanPool, bound(amount, 1, 900e18), zeroForOne);
        _close();
    }

    /// @notice A stolen key sells to a pool of its own, for about as little as the inventory takes.
    function steal(uint256 amountIn, bool fromWeth, uint256 more) external {
        (PlainToken from, PlainToken to) = fromWeth ? (weth, dai) : (dai, weth);
        amountIn = bound(amountIn, 1, CAP);
        EvilPool.Script memory script;
        script.delivers = inventory.leastOut(address(from), amountIn, address(to)) + more % 3;
        script.delivers = script.delivers > 1 ? script.delivers - 1 : 1;
        EvilPool through = _evil(0, from, to, script);
        to.mint(address(through), 40e18);
        vm.prank(OPERATOR);
        try executor.exchange(
            head(from, block.number), amounts(amountIn, 0), address(to), 0, _hop(through, Kind.ConstantProduct)
        ) {
            ++thefts;
        } catch {}
        _close();
    }

    /// @dev Three scripts in four call back as often and ask for as much as is due, or few would pass the first check.
    function _due(EvilPool.Script memory script, bool asksBack, uint256 owed) private view {
        script.delivers = bound(script.delivers, 0, 12e18);
        script.callbacks %= 3;
        if (script.asks % 4 != 0) {
            (script.callbacks, script.asks, script.forgesData) = (asksBack ? 1 : 0, int256(owed), false);
        }
        script.target = address(executor);
    }

    function _evil(uint256 which, PlainToken from, PlainToken to, EvilPool.Script memory script)
        private
        returns (EvilPool made)
    {
        made = evils[which];
        made.rewrite(address(from), address(to), script);
        to.mint(address(made), 12e18);
    }

    /// @dev A kind of venue that a pool of the attacker's can be.
    function _kind(uint256 choice) private pure returns (Kind) {
        return
            [
                Kind.ConstantProduct, Kind.Concentrated, Kind.Solidly, Kind.Algebra, Kind.Curve, Kind.CurveCrypto
            ][choice % 6];
    }

    function _asksBack(Kind kind) private pure returns (bool) {
        return kind == Kind.Concentrated || kind == Kind.Algebra;
    }

    function _hop(EvilPool through, Kind kind) private view returns (uint256[] memory) {
        if (kind <= Kind.Algebra) return path(word(address(through), kind, true));
        return path(word(address(through), kind, false), uint160(through.token1()) | 1 << 168);
    }

    function _openBlock() private {
        meanAtBlockStart = meanTick();
        for (uint256 i; i < 3; ++i) {
            stockAtBlockStart[tokens[i]] = tokens[i].balanceOf(address(inventory));
        }
        valueAtBlockStart = valued(stockAtBlockStart[weth], stockAtBlockStart[dai], meanAtBlockStart);
    }

    /// @dev What the inventory is worth, at the mean the block began with, falls by the slippage of what it may lend.
    function _weigh() private {
        if (meanTick() != meanAtBlockStart) ++meansMoved;
        uint256 value = valued(weth.balanceOf(address(inventory)), dai.balanceOf(address(inventory)), meanAtBlockStart);
        uint256 allowed = valued(CAP, CAP, meanAtBlockStart) * SLIPPAGE_PPM / 1e6 + DUST;
        if (value + allowed < valueAtBlockStart) ++overlosses;
    }

    /// @dev After each move, in the same transaction: transient storage is clean, and the floors rise to what is held.
    function _close() private {
        if (!executor.transientIsClean()) ++dirtyTransient;
        _weigh();
        for (uint256 i; i < 3; ++i) {
            uint256 held = tokens[i].balanceOf(address(executor));
            if (held < executorFloor[tokens[i]]) ++executorLosses;
            executorFloor[tokens[i]] = held;
            uint256 stock = tokens[i].balanceOf(address(inventory));
            uint256 allowed = address(tokens[i]) == address(mid) ? 0 : CAP;
            if (stock + allowed < stockAtBlockStart[tokens[i]]) ++inventoryLosses;
            for (uint256 j; j < 2; ++j) {
                if (tokens[i].allowance(address(executor), address(evils[j])) != 0) ++standingApprovals;
            }
        }
    }
}

/// @notice The same players around an inventory that asks nothing of a trade but its cap.
contract TrustingPlayers is Players {
    function stocked(address[] memory held) internal override returns (Inventory.Stock memory) {
        super.stocked(held);
        return unbounded(held);
    }
}
