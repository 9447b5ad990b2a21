#include "shop/cart.hpp"

namespace shop::core {

/// What a customer wants.
template <typename T>
class Cart : public Base<T> {
public:
    explicit Cart(int limit);
    ~Cart();
    int size() const { return items_.size(); }
    T& operator[](int at);
    const std::string& name() const;

private:
    std::vector<T> items_;
    int limit_ = 3;
};

using Total = int;
enum class Paid { Cash };

}  // namespace shop::core

template <typename T>
shop::core::Cart<T>::Cart(int limit) : limit_(limit) {}

int Owner::pay(const Cart<int>& cart, Money amount = {}) {
    auto& first = cart[0];
    this->paid = amount;
    for (const auto& item : cart) {
        log([&](int by) { return item * by; }, first);
    }
    return amount.round();
}

constexpr int kLimit = 3;
