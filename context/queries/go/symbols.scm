(function_declaration name: (identifier) @name.function) @definition.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @receiver
    (pointer_type (type_identifier) @receiver)
    (generic_type type: (type_identifier) @receiver)
    (pointer_type (generic_type type: (type_identifier) @receiver))
  ]))
  name: (field_identifier) @name.method) @definition.method
(type_spec name: (type_identifier) @name.class type: (struct_type)) @definition.class
(type_spec name: (type_identifier) @name.type) @definition.type
(type_alias name: (type_identifier) @name.type) @definition.type
(field_declaration name: (field_identifier) @name.field) @definition.field
(method_elem name: (field_identifier) @name.method) @definition.method
(const_spec name: (identifier) @name.constant) @definition.constant
(var_spec name: (identifier) @name.constant) @definition.constant
(func_literal) @definition.lambda

(parameter_declaration name: (identifier) @local)
(variadic_parameter_declaration name: (identifier) @local)
(short_var_declaration left: (expression_list (identifier) @local))
(range_clause left: (expression_list (identifier) @local))

(import_spec) @import

[(identifier) (type_identifier) (field_identifier)] @reference
