// LANES values side by side, for a Verilated model that cosim/lanes.py rewrote: each lane is an input of its own.
//
// An operator gives in every lane what it gives on two scalars, C's promotions included. A scalar is the same value in
// all lanes. There is no way from lanes back to a scalar but lanes_same(), which checks that they agree.

#pragma once

#include "verilated.h"

#include <type_traits>

template <typename T>
concept Scalar = std::is_arithmetic_v<T>;

template <Scalar T>
struct Lanes {
    typedef T Vector __attribute__((vector_size(sizeof(T) * LANES)));
    Vector v;

    Lanes() = default;
    Lanes(const Lanes&) = default;
    Lanes& operator=(const Lanes&) = default;
    Lanes(Vector vector) : v(vector) {}
    template <Scalar U>
    Lanes(U value) : v(Vector{} + T(value)) {}
    template <typename U>
    Lanes(const Lanes<U>& other) : v(__builtin_convertvector(other.v, Vector)) {}
};

template <Scalar T>
struct LanesKept;

// What two lanes of these types are computed as.
template <typename T, typename U>
using Common = decltype(T{} + U{});

template <typename T>
struct Element { using Type = decltype(+T{}); };
template <typename T>
struct Element<Lanes<T>> { using Type = T; };
template <typename T>
struct Element<LanesKept<T>> { using Type = T; };

template <typename T>
constexpr bool IS_LANES = false;
template <typename T>
constexpr bool IS_LANES<Lanes<T>> = true;
template <typename T>
constexpr bool IS_LANES<LanesKept<T>> = true;

// 1 where a comparison's vector says true, else 0.
template <typename Mask>
Lanes<int> lanes_truth(Mask mask) {
    typedef int Vector __attribute__((vector_size(sizeof(int) * LANES)));
    return Lanes<int>(-__builtin_convertvector(mask, Vector));
}

#define LANES_BOTH(op) \
    template <Scalar T, Scalar U> \
    auto operator op(const Lanes<T>& a, U b) { return a op Lanes<decltype(+b)>(b); } \
    template <Scalar U, Scalar T> \
    auto operator op(U a, const Lanes<T>& b) { return Lanes<decltype(+a)>(a) op b; }
#define LANES_VALUE(op) \
    template <Scalar T, Scalar U> \
    Lanes<Common<T, U>> operator op(const Lanes<T>& a, const Lanes<U>& b) { \
        using R = Lanes<Common<T, U>>; \
        return R(typename R::Vector(R(a).v op R(b).v)); \
    } \
    LANES_BOTH(op)
#define LANES_TRUTH(op) \
    template <Scalar T, Scalar U> \
    Lanes<int> operator op(const Lanes<T>& a, const Lanes<U>& b) { \
        using R = Lanes<Common<T, U>>; \
        return lanes_truth(R(a).v op R(b).v); \
    } \
    LANES_BOTH(op)
#define LANES_SHIFT(op) \
    template <Scalar T, Scalar U> \
    auto operator op(const Lanes<T>& a, const Lanes<U>& b) { \
        using R = Lanes<decltype(+T{})>; \
        return R(typename R::Vector(R(a).v op R(b).v)); \
    } \
    template <Scalar T, Scalar U> \
    auto operator op(const Lanes<T>& a, U b) { \
        using R = Lanes<decltype(+T{})>; \
        return R(typename R::Vector(R(a).v op int(b))); \
    } \
    template <Scalar U, Scalar T> \
    auto operator op(U a, const Lanes<T>& b) { return Lanes<decltype(+a)>(a) op b; }

LANES_VALUE(+) LANES_VALUE(-) LANES_VALUE(*) LANES_VALUE(&) LANES_VALUE(|) LANES_VALUE(^)
LANES_TRUTH(==) LANES_TRUTH(!=) LANES_TRUTH(<) LANES_TRUTH(>) LANES_TRUTH(<=) LANES_TRUTH(>=)
LANES_SHIFT(<<) LANES_SHIFT(>>)

template <Scalar T>
auto operator~(const Lanes<T>& a) { using R = Lanes<decltype(+T{})>; return R(typename R::Vector(~R(a).v)); }
template <Scalar T>
auto operator-(const Lanes<T>& a) { using R = Lanes<decltype(+T{})>; return R(typename R::Vector(-R(a).v)); }
template <Scalar T>
Lanes<int> operator!(const Lanes<T>& a) { return a == 0; }
template <Scalar T, Scalar U>
Lanes<int> operator&&(const Lanes<T>& a, const Lanes<U>& b) { return (a != 0) & (b != 0); }
template <Scalar T, Scalar U>
Lanes<int> operator||(const Lanes<T>& a, const Lanes<U>& b) { return (a != 0) | (b != 0); }
LANES_BOTH(&&) LANES_BOTH(||)

template <Scalar To, typename T>
auto lanes_cast(const T& value) {
    if constexpr (IS_LANES<T>) return Lanes<To>(value);
    else return To(value);
}

// condition ? a : b.
template <typename C, typename A, typename B>
auto lanes_pick(const C& condition, const A& a, const B& b) {
    using T = decltype(true ? typename Element<A>::Type{} : typename Element<B>::Type{});
    if constexpr (IS_LANES<C>) {
        using Wide = Lanes<T>;
        typedef std::make_signed_t<T> Signed __attribute__((vector_size(sizeof(T) * LANES)));
        const auto mask = __builtin_convertvector(condition.v != typename C::Vector{}, Signed);
        return Wide(typename Wide::Vector(mask ? Wide(a).v : Wide(b).v));
    } else if constexpr (IS_LANES<A> || IS_LANES<B>) {
        return condition ? Lanes<T>(a) : Lanes<T>(b);
    } else {
        return condition ? a : b;
    }
}

struct LanesApart {};

// What all lanes agree on. Raises LanesApart where they do not: what steers the model then depends on an input's data.
template <typename T>
auto lanes_same(const T& value) {
    if constexpr (IS_LANES<T>) {
        const auto first = value.v[0];
        const typename T::Vector apart = value.v ^ (typename T::Vector{} + first);
        uint64_t words[(sizeof(apart) + 7) / 8] = {}, any = 0;
        std::memcpy(words, &apart, sizeof(apart));
        for (const uint64_t word : words) any |= word;
        if (__builtin_expect(any != 0, 0)) throw LanesApart{};
        return first;
    } else {
        return value;
    }
}

template <typename T>
T lanes_one(const Lanes<T>& value, int lane) { return value.v[lane]; }
template <Scalar T>
T lanes_one(T value, int) { return value; }

// memory[index], for each lane its own.
template <typename M, typename I>
auto lanes_look(const M& memory, const I& index) {
    if constexpr (IS_LANES<I>) {
        using Found = std::remove_cvref_t<decltype(memory[0])>;
        Lanes<typename Element<Found>::Type> found;
        for (int lane = 0; lane < LANES; lane++) found.v[lane] = lanes_one(memory[index.v[lane]], lane);
        return found;
    } else {
        return memory[index];
    }
}

// Verilator's functions, where a signal in lanes is given. What it leaves open (bits above a value's width) may differ.
template <Scalar T>
Lanes<IData> VL_EXTENDS_II(int, int bits, const Lanes<T>& value) {
    return Lanes<IData>(Lanes<int>(Lanes<IData>(value) << (32 - bits)) >> (32 - bits));
}
template <Scalar T>
Lanes<QData> VL_EXTENDS_QI(int, int bits, const Lanes<T>& value) {
    return Lanes<QData>(Lanes<int64_t>(Lanes<QData>(value) << (64 - bits)) >> (64 - bits));
}
template <Scalar T>
Lanes<QData> VL_EXTENDS_QQ(int, int bits, const Lanes<T>& value) { return VL_EXTENDS_QI(64, bits, value); }

template <typename A, typename B> requires (IS_LANES<A> || IS_LANES<B>)
Lanes<IData> VL_MULS_III(int, const A& a, const B& b) { return Lanes<IData>(a) * Lanes<IData>(b); }
template <typename A, typename B> requires (IS_LANES<A> || IS_LANES<B>)
Lanes<QData> VL_MULS_QQQ(int, const A& a, const B& b) { return Lanes<QData>(a) * Lanes<QData>(b); }

#define LANES_SIGNED(name, T, op) \
    template <typename A, typename B> requires (IS_LANES<A> || IS_LANES<B>) \
    Lanes<int> name(int bits, const A& a, const B& b) { \
        const int up = 8 * sizeof(T) - bits; \
        return Lanes<T>(Lanes<std::make_unsigned_t<T>>(a) << up) op Lanes<T>(Lanes<std::make_unsigned_t<T>>(b) << up); \
    }
LANES_SIGNED(VL_GTS_III, int, >) LANES_SIGNED(VL_GTES_III, int, >=)
LANES_SIGNED(VL_LTS_III, int, <) LANES_SIGNED(VL_LTES_III, int, <=)
LANES_SIGNED(VL_GTS_IQQ, int64_t, >) LANES_SIGNED(VL_GTES_IQQ, int64_t, >=)
LANES_SIGNED(VL_LTS_IQQ, int64_t, <) LANES_SIGNED(VL_LTES_IQQ, int64_t, <=)

#define LANES_SHIFTED(name, T, op) \
    template <typename A, typename B> requires (IS_LANES<A> || IS_LANES<B>) \
    Lanes<T> name(int, int, int, const A& value, const B& by) { \
        constexpr unsigned BITS = 8 * sizeof(T); \
        return lanes_pick(by < BITS, Lanes<T>(value) op (by & (BITS - 1)), T(0)); \
    }
LANES_SHIFTED(VL_SHIFTR_III, IData, >>) LANES_SHIFTED(VL_SHIFTL_III, IData, <<)
LANES_SHIFTED(VL_SHIFTR_QQI, QData, >>) LANES_SHIFTED(VL_SHIFTL_QQI, QData, <<)

#define LANES_SHIFTED_SIGNED(name, extend, T, Signed) \
    template <typename A, typename B> requires (IS_LANES<A> || IS_LANES<B>) \
    Lanes<T> name(int, int bits, int, const A& value, const B& by) { \
        constexpr unsigned LAST = 8 * sizeof(T) - 1; \
        return Lanes<T>(Lanes<Signed>(extend(0, bits, Lanes<T>(value))) >> lanes_pick(by < LAST, by, LAST)); \
    }
LANES_SHIFTED_SIGNED(VL_SHIFTRS_III, VL_EXTENDS_II, IData, int)
LANES_SHIFTED_SIGNED(VL_SHIFTRS_QQI, VL_EXTENDS_QI, QData, int64_t)

// A signal of more than 64 bits.
template <std::size_t Words>
struct LanesWide {
    Lanes<EData> words[Words];
    Lanes<EData>& operator[](std::size_t word) { return words[word]; }
    const Lanes<EData>& operator[](std::size_t word) const { return words[word]; }
};
template <std::size_t Words>
void VL_ZERO_W(int, LanesWide<Words>& wide) { wide = {}; }
template <std::size_t Words>
void VL_ZERO_RESET_W(int, LanesWide<Words>& wide) { wide = {}; }
template <std::size_t Words, typename From>
void VL_ASSIGN_W(int, LanesWide<Words>& wide, const From& from) {
    for (std::size_t word = 0; word < Words; word++) wide[word] = from[word];
}

// The lane that the bus writes to, while inputs are put in; else it writes to all of them.
struct LanesWritten {
    static constexpr int EVERY = -1;
    static inline int only = EVERY;
};

// An element of a memory that the bus writes lane by lane.
template <Scalar T>
struct LanesKept : Lanes<T> {
    LanesKept() = default;
    LanesKept(const LanesKept&) = default;
    template <typename U>
    LanesKept& operator=(const U& value) {
        if (__builtin_expect(LanesWritten::only == LanesWritten::EVERY, 1)) Lanes<T>::operator=(Lanes<T>(value));
        else this->v[LanesWritten::only] = Lanes<T>(value).v[LanesWritten::only];
        return *this;
    }
};
